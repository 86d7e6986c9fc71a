"""HTTP/1.1 as it comes off the wire: uvicorn's protocol, with a bound on what is not yet a request.

The parser would collect a head of any size in memory, from anybody. And what cannot be read as HTTP never reaches the
application, so its coded refusal is written here.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.envelope import ErrorBody, FailureBody
from api.errors import JSON
from infrastructure.identity import new_id

HEAD_BYTES_MAXIMUM: Final = 64 * 1024
"""How much may come in a row that brings a request no further: request line, headers, trailers, extensions of chunks.

What the kernel hands over at once (some hundred KiB at most) is looked at as one piece.
"""


class WireProtocol(HttpToolsProtocol):
    """One connection."""

    _leading_nowhere = 0

    def data_received(self, data: bytes) -> None:
        """Read on, unless the client sends and sends and no request comes of it."""
        self._leading_nowhere += len(data)
        super().data_received(data)
        if self._leading_nowhere > HEAD_BYTES_MAXIMUM and not self.transport.is_closing():
            self._refuse(431, "REQUEST_HEAD_TOO_LARGE", "The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """A head has come to its end."""
        self._leading_nowhere = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body; how large that may get is for the route to say."""
        self._leading_nowhere = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has come to its end."""
        self._leading_nowhere = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, "VALIDATION_ERROR", msg)

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.cycle is None or self.cycle.response_complete:
            error = ErrorBody(code=code, message=message, request_id=str(new_id()))
            body = msgspec.json.encode(FailureBody(error=error))
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {JSON}\r\n"
                f"content-length: {len(body)}\r\ncache-control: no-store\r\n"
                "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
        # Else an earlier request is being answered: nothing may be written in between.
        self.transport.close()
