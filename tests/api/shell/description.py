"""The OpenAPI document of the product's own routes, as it is served."""

import json
from typing import Any

from litestar import Router
from litestar.di import Provide

from api.access import ACCESS
from api.controllers import CONTROLLERS
from api.openapi import describe
from api.requests import provide_cursor, provide_page
from api.security import provide_caller, provide_visitor
from tests.api.shell.office import settings_with


def product_document() -> dict[str, Any]:
    """Every route that there is, without an application around them."""
    dependencies = {
        "caller": Provide(provide_caller),
        "visitor": Provide(provide_visitor),
        "page_request": Provide(provide_page, sync_to_thread=False),
        "cursor_request": Provide(provide_cursor, sync_to_thread=False),
    }
    handlers = [Router("/api/v1", route_handlers=list(CONTROLLERS))]
    written = describe(
        handlers, dependencies=dependencies, settings=settings_with(), access=ACCESS, limited=True
    )
    read: dict[str, Any] = json.loads(written)
    return read
