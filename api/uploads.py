"""Files that come in a form, in memory: bounded, and of the fields that a route expects (requirements MED-03, SEC-13, SEC-14).

Only routes that ask for one take a form; everywhere else it is refused as any other body that is not JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException, ValidationException

from api.errors import NotJson
from api.validation import NAME_MAXIMUM, PROBLEMS_MAXIMUM, invalid
from application.media.profile_pictures import Upload
from domain.media.image_files import TooManyFiles
from domain.shared.errors import InvalidInput, Problem

MULTIPART: Final = "multipart/form-data"


class NotAForm(NotJson):
    """The body is not declared as a form, and this route takes nothing else: 415."""


def one_file(field: str, description: str, content_types: Sequence[str]) -> Mapping[str, Any]:
    """The `opt` of a route that takes a form with one file, which its handler reads by `read_file`."""
    return {
        "form": {
            "required": True,
            "content": {
                MULTIPART: {
                    "schema": {
                        "type": "object",
                        "required": [field],
                        "properties": {
                            field: {"type": "string", "format": "binary", "description": description}
                        },
                        "additionalProperties": False,
                    },
                    "encoding": {field: {"contentType": ", ".join(content_types)}},
                }
            },
        }
    }


async def read_file(request: Request[Any, Any, Any], field: str) -> Upload:
    """The file of a form, which has that and nothing else.

    Raises:
        NotAForm: the content type says that it is something else.
        InvalidInput: it is no form, has no such file, or other fields besides.
        TooManyFiles: it has more than one.
        PayloadTooLarge, ClientGone: see `api.body.BodyRequest.body`.
    """
    if request.content_type[0] != MULTIPART:
        raise NotAForm(f"The body must be {MULTIPART}.")
    await request.body()  # Kept, so that it can be told from others under the same idempotency key.
    try:
        form = await request.form()
    except (ClientException, ValidationException, LookupError, ValueError) as error:
        # LookupError: an encoding that nobody knows. ValueError: bytes that are not of the encoding.
        message = "The body is not a form."
        raise InvalidInput(message, problems=[Problem("", message, "format")]) from error
    try:
        return await _only(list(form.multi_items()), field)
    finally:
        await form.close()


async def _only(parts: Sequence[tuple[str, Any]], field: str) -> Upload:
    unknown = sorted({name for name, _ in parts if name != field})
    if unknown:
        raise invalid(
            [
                Problem(name[:NAME_MAXIMUM], "This field is not known here.", "unknown_field")
                for name in unknown[:PROBLEMS_MAXIMUM]
            ]
        )
    if not parts:
        raise invalid([Problem(field, "This field is required.", "required")])
    if len(parts) > 1:
        raise TooManyFiles("One file is taken at a time.", details={"maximum": 1})
    file = parts[0][1]
    if not isinstance(file, UploadFile):
        raise invalid([Problem(field, "Must be a file with a name.", "type")])
    return Upload(file_name=file.filename, declared_type=file.content_type, content=await file.read())
