"""The API describes itself: an OpenAPI 3.1 document, and a page to read it (requirements API-10).

Litestar knows paths, parameters and bodies. What every route has in common (errors, headers, who may ask) is added here,
from what makes it so: the table of who may ask (`api.access`), dependencies and `opt` of the route.
"""

import asyncio
import copy
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from typing import Any, ClassVar, Final, get_args

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License
from litestar.params import FromPath
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from api.access import Access, Door, Table, path_in_table
from api.body import BodyRequest
from api.context import application_of, context_of
from api.envelope import TIMESTAMP_DESCRIPTION, FailureBody, RequestBody
from api.errors import JSON, PROBLEM_JSON, STATUSES
from api.limits import UNLIMITED
from api.middleware.compression import accepts_gzip
from api.requests import IDEMPOTENCY_KEY_PATTERN, IF_MATCH_PATTERN
from api.validation import camel, camel_path
from infrastructure.settings import Settings

NOT_A_COMMAND: Final = {"command": False}
"""`opt` of routes that change something without `api.submission`, so that they take no idempotency key."""

UNCONDITIONAL: Final = {"conditional": False}
"""`opt` of commands that look at no `If-Match`."""

_ANY_BODY: Final = {
    "required": True,
    "description": "As the caller's own documentation has it. Its signature covers these very bytes.",
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
}
"""What a route takes that others call (`api.callbacks`)."""

NOT_A_QUERY: Final = {"query": False}
"""`opt` of routes that read no read model, so that waiting for a position means nothing to them."""

NEEDS_BODY: Final = {"needs_body": True}
"""`opt` of routes that can go without a body only to say, by a code of their own, that it is missing."""
_CODE: Final = re.compile(r"`([A-Z][A-Z0-9_]*)`")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_CONTROL: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
_TEXT: Final = f"^[^{_CONTROL}]*$"
_NO_NUL: Final = r"^[^\u0000]*$"
VISIBLE_TEXT: Final = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
"""A text of words: something that can be seen, and no control characters but the ends of lines."""
_PRINTED: Final[Mapping[str | None, str]] = {
    None: _TEXT,
    r"^[^\x00]*$": _TEXT,
    r"\S": VISIBLE_TEXT,
    r"^[^\x00]*[^\s\x00][^\x00]*$": VISIBLE_TEXT,
}
"""The patterns of texts, and what they mean where control characters are refused."""

_WRITING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
}


def errors(*codes: str, **statuses: int) -> dict[int, ResponseSpec]:
    """The `responses` of a route: which refusals it may answer with, besides those that any route may.

    Codes of the catalogue (`api.errors.STATUSES`) are named alone; others with their status: `errors("ORDER_NOT_FOUND",
    SHOP_CLOSED=409)`.

    Raises:
        KeyError: a code without a status is not in the catalogue.
    """
    by_status: dict[int, list[str]] = {}
    for code, status in {**{code: STATUSES[code] for code in codes}, **statuses}.items():
        by_status.setdefault(status, []).append(code)
    return {
        status: ResponseSpec(data_container=FailureBody, description=_listed(found), generate_examples=False)
        for status, found in by_status.items()
    }


def describe(
    handlers: Sequence[ControllerRouterHandler],
    *,
    dependencies: Mapping[str, Provide],
    settings: Settings,
    access: Table,
    limited: bool,
) -> bytes:
    """The document of these routes as JSON. It takes a while: not to be called in the event loop."""
    # A second application, which answers nobody, so that the one that does carries none of this.
    shadow = Litestar(
        route_handlers=list(handlers),
        dependencies=dict(dependencies),
        request_class=BodyRequest,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Daftar",
            version=metadata.version("daftar"),
            summary="An event-sourced marketplace",
            description=_DESCRIPTION,
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
            path="/schema",
            render_plugins=[JsonRenderPlugin()],
        ),
    )
    document: dict[str, Any] = shadow.openapi_schema.to_schema()
    document["servers"] = [{"url": settings.http.app_url}]
    components: dict[str, Any] = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["FailureBody"] = _FAILURE
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["parameters"] = _PARAMETERS
    components["headers"] = _HEADERS
    base = f"/api/{settings.http.api_version}"
    bodies: list[Any] = []
    for route in shadow.routes:
        if isinstance(route, HTTPRoute):
            path_item = document["paths"].get(route.path_format or "/", {})
            for handler in route.route_handlers:
                if handler.parsed_data_field is not None:
                    bodies.append(handler.parsed_data_field.annotation)
                for method in handler.http_methods:
                    if operation := path_item.get(str(method).lower()):
                        row = access[str(method), path_in_table(route.path_format, base)]
                        _complete(operation, handler, str(method), route.path_format, row, limited=limited)
    document["paths"] = {_in_camel_case(path, item): item for path, item in document["paths"].items()}
    del schemas["ErrorBody"]
    for name, schema in schemas.items():
        if "success" in schema.get("properties", {}) and name != "FailureBody":
            schema["required"] = ["success", *schema.get("required", [])]
    tidied: dict[str, Any] = _tidied(document, _plain_names(schemas))
    _say_what_is_read(tidied["components"]["schemas"], bodies)
    _link(tidied)
    return msgspec.json.encode(tidied)


def _in_camel_case(path: str, item: Mapping[str, Any]) -> str:
    """The path with its parameters named as everything on the wire is; those of its operations are renamed in place."""
    for operation in item.values():
        for parameter in operation.get("parameters", ()):
            if parameter.get("in") == "path":
                parameter["name"] = camel(parameter["name"])
    return camel_path(path)


def _plain_names(schemas: Mapping[str, Any]) -> dict[str, str]:
    """Names without the paths of our modules: `Envelope_OrderView` for `Envelope[OrderView]`, where that is unique."""
    plain = {
        name: _NO_NAME.sub("_", schema.get("title", name)).strip("_") for name, schema in schemas.items()
    }
    taken = Counter(plain.values())
    return {name: new for name, new in plain.items() if taken[new] == 1}


def _tidied(node: Any, names: Mapping[str, str]) -> Any:
    """The same with plain names, choices of one replaced by that one, and the format of times."""
    if isinstance(node, list):
        return [_tidied(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    if list(node) == ["oneOf"] and len(node["oneOf"]) == 1:
        return _tidied(node["oneOf"][0], names)
    tidied = {key: _tidied(value, names) for key, value in node.items()}
    if isinstance(reference := tidied.get("$ref"), str):
        place, slash, name = reference.rpartition("/")
        if place == "#/components/schemas":
            tidied["$ref"] = f"{place}{slash}{names.get(name, name)}"
    if isinstance(schemas := tidied.get("schemas"), dict) and "securitySchemes" in tidied:
        tidied["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    if tidied.get("description") == TIMESTAMP_DESCRIPTION and tidied.get("type") == "string":
        tidied["format"] = "date-time"
    return tidied


def _say_what_is_read(schemas: dict[str, Any], bodies: Sequence[Any]) -> None:
    """Describe what callers send by the word of msgspec, which reads it, and by what `api.body` refuses besides."""
    _, read = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    for struct in _structs_in(bodies):
        if issubclass(struct, RequestBody):
            _merge(read[struct.__name__], struct.json_schema)
    for name, schema in read.items():
        if schema.get("type") == "object":
            _refuse_control_characters(schema["properties"])
            schemas[name] = schema
        else:
            schemas.setdefault(name, schema)


def _merge(schema: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(schema.get(key), dict):
            _merge(schema[key], value)
        else:
            schema[key] = copy.deepcopy(value)


def _structs_in(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    todo = list(types)
    while todo:
        each = todo.pop()
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            if each not in found:
                found.add(each)
                todo += [field.type for field in msgspec.structs.fields(each)]
        else:
            todo += get_args(each)
    return found


def _refuse_control_characters(node: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _refuse_control_characters(each)
    elif isinstance(node, dict):
        if node.get("type") == "string" and node.get("format", "password") == "password":
            node["pattern"] = _PRINTED.get(node.get("pattern"), node.get("pattern"))
        for each in node.values():
            _refuse_control_characters(each)


def _link(document: dict[str, Any]) -> None:
    """Say of every answer to a creation what can be done with the new thing, and when questions will know it."""
    for path, item in document["paths"].items():
        created = item.get("post", {}).get("responses", {}).get("201")
        if created is None:
            continue
        for name in _names_of_new_things(document, created):
            place = f"{{{name}}}"
            if place in path:
                continue
            for other_path, other in document["paths"].items():
                if place not in other_path:
                    continue
                for method, operation in other.items():
                    parameters = {f"path.{name}": f"$response.body#/data/{name}"}
                    if {"$ref": "#/components/parameters/MinPosition"} in operation["parameters"]:
                        parameters["header.X-Min-Position"] = "$response.header.X-Position"
                    created.setdefault("links", {})[operation["operationId"]] = {
                        "operationId": operation["operationId"],
                        "parameters": parameters,
                        "description": f"{method.upper()} {other_path}",
                    }


def _names_of_new_things(document: Mapping[str, Any], created: Mapping[str, Any]) -> list[str]:
    schemas = document["components"]["schemas"]

    def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return resolved(schemas[name]) if name else schema

    body = resolved(created.get("content", {}).get(JSON, {}).get("schema", {}))
    data = resolved(body.get("properties", {}).get("data", {}))
    return [
        name
        for name, schema in data.get("properties", {}).items()
        if name.endswith(("Id", "Number")) and schema.get("type") == "string"
    ]


def _complete(
    operation: dict[str, Any],
    handler: HTTPRouteHandler,
    method: str,
    path: str,
    access: Access,
    *,
    limited: bool,
) -> None:
    under_api = path.startswith("/api/")
    command = under_api and method in _WRITING and handler.opt.get("command") is not False
    query = under_api and method == "GET" and handler.opt.get("query") is not False
    codes = _declared(operation)
    codes.setdefault(500, []).append("INTERNAL_ERROR")
    codes.setdefault(400, []).append("VALIDATION_ERROR")
    if "{" in path:
        codes.setdefault(404, []).append("ROUTE_NOT_FOUND")
    if under_api:
        codes.setdefault(503, []).extend(["SERVICE_UNAVAILABLE", "STORE_UNAVAILABLE"])
    counted = limited and handler.opt.get("rate_limited") is not False
    if counted:
        codes.setdefault(429, []).append("RATE_LIMIT_EXCEEDED")
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    for parameter in parameters:
        _refuse_nul(parameter["schema"])
    _complete_body(operation, handler, codes)
    if command:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
        codes.setdefault(409, []).extend(["IDEMPOTENCY_IN_PROGRESS", "CONCURRENCY_CONFLICT"])
        codes.setdefault(422, []).append("IDEMPOTENCY_KEY_REUSED")
        codes[503].append("OVERLOADED")
        if handler.opt.get("conditional") is not False:
            parameters.append({"$ref": "#/components/parameters/IfMatch"})
            codes.setdefault(412, []).append("PRECONDITION_FAILED")
    if query:
        parameters += [
            {"$ref": "#/components/parameters/MinPosition"},
            {"$ref": "#/components/parameters/Prefer"},
        ]
        codes[503].append("READ_MODEL_BEHIND")
    parameters.append({"$ref": "#/components/parameters/RequestId"})
    operation["security"] = _security(access, handler, codes)
    told = operation.get("description", "").strip()
    operation["description"] = f"{told}\n\n**Who may ask:** {access.in_words()}".strip()
    responses: dict[str, Any] = operation.setdefault("responses", {})
    if access.door is Door.HANDSHAKE:
        del responses["200"]
        responses["101"] = {"description": "The channel is open, to those who asked for an upgrade."}
    for status, found in sorted(codes.items()):
        responses[str(status)] = _failure_response(status, list(dict.fromkeys(found)))
    for status_text, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = {"$ref": "#/components/headers/RequestId"}
        if counted:
            headers["RateLimit"] = {"$ref": "#/components/headers/RateLimit"}
            headers["RateLimit-Policy"] = {"$ref": "#/components/headers/RateLimitPolicy"}
        if command and status_text.startswith("2"):
            headers["ETag"] = {"$ref": "#/components/headers/ETag"}
            headers["X-Position"] = {"$ref": "#/components/headers/Position"}
            headers["Idempotent-Replayed"] = {"$ref": "#/components/headers/Replayed"}


def _refuse_nul(schema: dict[str, Any]) -> None:
    """What the shell refuses of every path and query, said of those texts that could have it."""
    kinds = [schema, *schema.get("oneOf", ())]
    for kind in kinds:
        if "items" in kind:
            _refuse_nul(kind["items"])
    if any(kind.get("type") == "string" and not {"format", "enum"} & kind.keys() for kind in kinds):
        schema.setdefault("pattern", _NO_NUL)


def _complete_body(operation: dict[str, Any], handler: HTTPRouteHandler, codes: dict[int, list[str]]) -> None:
    if handler.opt.get("raw_body"):
        operation["requestBody"] = _ANY_BODY
    elif form := handler.opt.get("form"):
        operation["requestBody"] = form
        codes.setdefault(415, []).append("UNSUPPORTED_MEDIA_TYPE")
    elif "requestBody" not in operation:
        return
    elif handler.opt.get("needs_body"):
        schema = operation["requestBody"]["content"][JSON]["schema"]
        schema["oneOf"] = [each for each in schema["oneOf"] if each.get("type") != "null"]
    elif handler.parsed_fn_signature.parameters["data"].has_default:
        operation["requestBody"]["required"] = False
    codes.setdefault(413, []).append("PAYLOAD_TOO_LARGE")
    if JSON in operation["requestBody"].get("content", {}):
        codes.setdefault(415, []).append("UNSUPPORTED_MEDIA_TYPE")


def _declared(operation: Mapping[str, Any]) -> dict[int, list[str]]:
    """The codes that `errors` has put into the document, by status."""
    return {
        int(status): _CODE.findall(response.get("description", ""))
        for status, response in operation.get("responses", {}).items()
        if status.isdigit() and int(status) >= 400
    }


def _security(
    access: Access, handler: HTTPRouteHandler, codes: dict[int, list[str]]
) -> list[dict[str, list[str]]]:
    """What a caller has to show, by the row of the route; adds what is answered to those who cannot."""
    if access.door is Door.OPEN:
        return [{}, {"bearer": []}, {"apiKey": []}]
    if access.door is Door.OWN:
        return [{}, {"bearer": []}]
    if access.door in {Door.NONE, Door.HANDSHAKE}:
        return []
    refused = codes.setdefault(401, [])
    refused += [access.nobody, "TOKEN_EXPIRED", "INVALID_TOKEN", "USER_NOT_FOUND"]
    if not handler.opt.get("ended_session"):
        refused.append("TOKEN_REVOKED")
    refused += ["API_KEY_REQUIRED", "API_KEY_INVALID", "API_KEY_EXPIRED"]
    codes.setdefault(403, []).extend(
        ["INSUFFICIENT_PERMISSIONS", "ACCOUNT_SUSPENDED", "ACCOUNT_PENDING", "ACCOUNT_REJECTED"]
    )
    # Any one of these requirements will do, and of a scheme without scopes they name the role (OpenAPI 3.1 §4.8.30).
    shown = [{"bearer": [role.value]} for role in sorted(access.roles)] if access.roles else [{"bearer": []}]
    return shown if access.key is None else [*shown, {"apiKey": [access.key.value]}]


def _failure_response(status: int, codes: list[str]) -> dict[str, Any]:
    def narrowed(name: str, code: dict[str, Any]) -> dict[str, Any]:
        return {"allOf": [{"$ref": f"#/components/schemas/{name}"}, code]}

    code = {"type": "object", "properties": {"code": {"enum": codes}}}
    response: dict[str, Any] = {
        "description": _listed(codes),
        "content": {
            JSON: {"schema": narrowed("FailureBody", {"type": "object", "properties": {"error": code}})},
            PROBLEM_JSON: {"schema": narrowed("Problem", code)},
        },
    }
    if status in {429, 503}:
        response["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"$ref": "#/components/headers/Authenticate"}}
    return response


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


# --- serving -----------------------------------------------------------------------------------------------


class SchemaController:
    """Where the document and its page are."""

    path: ClassVar[str] = "/schema"

    @classmethod
    def under(cls, base: str) -> Router:
        """The routes, below the API's base path."""
        place = f"{base}{cls.path}"

        @get(["/", "/openapi.json"], media_type=JSON)
        async def document(request: Request[Any, Any, Any]) -> Response[bytes]:
            content = await application_of(request).document()
            return Response(content, media_type=JSON, headers={"Cache-Control": "no-cache"})

        @get("/docs", media_type="text/html")
        async def page() -> Response[str]:
            return Response(
                _PAGE.replace("{place}", place),
                media_type="text/html",
                headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-cache"},
            )

        @get("/docs/{name:str}")
        async def asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
            if name not in _ASSETS:
                raise NotFoundException
            plain, compressed = await asyncio.to_thread(_asset, name)
            headers = {"Cache-Control": "public, max-age=3600"}
            content = plain
            if accepts_gzip(context_of(request).headers.get(b"accept-encoding", b"")):
                content = compressed
                headers["Content-Encoding"] = "gzip"
            return Response(content, media_type=_ASSETS[name], headers=headers)

        return Router(
            place,
            route_handlers=[document, page, asset],
            include_in_schema=False,
            opt=UNLIMITED,
        )


@lru_cache(maxsize=len(_ASSETS))
def _asset(name: str) -> tuple[bytes, bytes]:
    content = files("api").joinpath("static", name).read_bytes()
    return content, gzip.compress(content, 9, mtime=0)


_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Daftar: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{place}/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-document="{place}/openapi.json"></div>
<noscript>This page needs JavaScript. The document itself is at <a href="{place}">{place}</a>.</noscript>
<script src="{place}/docs/swagger-ui-bundle.js"></script>
<script src="{place}/docs/start.js"></script>
</body>
</html>
"""

_DESCRIPTION: Final = """\
Every answer has one of two forms: `{"success": true, "data": ...}` or `{"success": false, "error": {"code": ...,
"message": ..., "requestId": ...}}`. Ask for `application/problem+json` by `Accept` to get errors as RFC 9457 problem
details with the same codes. Fields of a body that are not expected are refused, and so are query parameters that are given
more than once and are no lists.

**Repeating safely.** Send an `Idempotency-Key` with any command: for 24 hours a repeat gets the first answer, marked
`Idempotent-Replayed: true`. **Reading your own writes.** A command answers with its position in the log (`X-Position`);
a question that sends it back as `X-Min-Position` waits until what it reads has caught up. **Not overwriting others.**
Send the `ETag` of what you saw, or its version, as `If-Match`: if it has changed since, the command is refused with 412.
"""

_SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, as signing in gives it.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key of a program, with the permissions it was given.",
    },
}

_PARAMETERS: Final = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Any text of yours that is new for each command, bare or quoted. Kept for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 512, "pattern": IDEMPOTENCY_KEY_PATTERN},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` (or several, or the bare version) of what the command was decided on, or `*`.",
        "schema": {"type": "string", "minLength": 1, "pattern": IF_MATCH_PATTERN},
    },
    "MinPosition": {
        "name": "X-Min-Position",
        "in": "header",
        "description": "`X-Position` of an earlier answer: answer only when what is read shows the log up to there, else "
        "503 after the time of `Prefer`. 400 for a position that no answer had yet.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: for how many seconds to wait for `X-Min-Position`; 2 by default, at most 10.",
        "schema": {"type": "string"},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your name for this request: 1 to 128 letters, digits or `._~:/+=@-`. Any other text counts as "
        "none, and a name is made.",
        "schema": {"type": "string"},
    },
}

_HEADERS: Final = {
    "RequestId": {"description": "The name of this request in logs.", "schema": {"type": "string"}},
    "ETag": {
        "description": "The version of the thing, for `If-Match`; absent when the answer is about no one thing.",
        "schema": {"type": "string"},
    },
    "Position": {
        "description": "The command's position in the log, for `X-Min-Position`.",
        "schema": {"type": "integer", "format": "int64"},
    },
    "Replayed": {
        "description": "`true` when this is the kept answer to an earlier, equal request.",
        "schema": {"const": "true"},
    },
    "RateLimit": {
        "description": "What is left of each limit: `r` requests, for `t` seconds.",
        "schema": {"type": "string", "examples": ['"account";r=999;t=900']},
    },
    "RateLimitPolicy": {
        "description": "The limits that apply: `q` requests in `w` seconds.",
        "schema": {"type": "string", "examples": ['"account";q=1000;w=900']},
    },
    "RetryAfter": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Authenticate": {"description": "How to sign in: `Bearer`.", "schema": {"type": "string"}},
}

_PROBLEM_ITEM: Final = {
    "type": "object",
    "required": ["field", "message", "rule"],
    "properties": {
        "field": {"type": "string", "description": "A dotted path in the request; empty for the whole."},
        "message": {"type": "string"},
        "rule": {"type": "string"},
    },
}

_FAILURE: Final = {
    "title": "FailureBody",
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "requestId"],
            "properties": {
                "code": {"type": "string", "description": "Stable, for programs."},
                "message": {"type": "string", "description": "A sentence for people; it may change."},
                "details": {
                    "description": "The wrong fields of an invalid request, else facts for programs.",
                    "oneOf": [{"type": "array", "items": _PROBLEM_ITEM}, {"type": "object"}],
                },
                "requestId": {"type": "string"},
            },
        },
    },
}

_PROBLEM: Final = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string"},
        "requestId": {"type": "string"},
        "details": {"type": "object"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail", "code"],
                "properties": {
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
