"""Who may use which route: one table (requirements RBAC-01 to RBAC-07, KEY-06, §45).

The door (`api.security.admit`), the OpenAPI document and the test that knocks at every route as everybody are all made from
it. A route that is not in it keeps the application from starting: nothing is open because somebody forgot it. What is decided
by the thing itself (an order's customer, a listing's seller) is decided where the thing is; the table says what strangers are
told then, so that the test can hold the decision to it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute, WebSocketRoute

from api.validation import camel_path
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role


class Door(StrEnum):
    """How much of a door a route has."""

    NONE = "none"
    """Anybody comes in, and nobody is asked who they are."""

    OPEN = "open"
    """Anybody comes in; whoever says who they are may see more."""

    CLOSED = "closed"
    """Only those come in who have said who they are."""

    HANDSHAKE = "handshake"
    """A WebSocket: only those come in who say who they are in its handshake or in their first message, by a token."""

    OWN = "own"
    """The route lets people in by means of its own: inside networks, a token for metrics."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may use one route.

    `roles` are those whose accounts come in, `None`: all. `key` is the permission that an API key needs, `None`: no key opens
    it, for people do this in person. `strangers` is the code that those get who come in, and whose thing it is not.
    `for_programs` says that it is meant for programs with a key; people of the roles may come, too.
    """

    door: Door
    roles: frozenset[Role] | None = None
    key: Permission | None = None
    strangers: str | None = None
    for_programs: bool = False

    @property
    def nobody(self) -> str:
        """The code for whoever has not said who they are."""
        if self.for_programs:
            return "API_KEY_REQUIRED"
        return "NO_TOKEN" if self.roles is None else "AUTHENTICATION_REQUIRED"

    def in_words(self) -> str:
        """For the OpenAPI document."""
        match self.door:
            case Door.NONE:
                return "Anybody."
            case Door.OWN:
                return "Those who run the service: from inside networks, with the metrics' token where there is one, or as administrators."
            case Door.HANDSHAKE:
                return "Whoever is signed in, by the token in the handshake or the first message. No API key."
            case Door.OPEN:
                return "Anybody; whoever is signed in may see more." + self._keys_in_words()
            case Door.CLOSED:
                pass
        if self.roles is None:
            who = "Whoever is signed in."
        else:
            names = sorted(role.value.replace("_", " ") + "s" for role in self.roles)
            who = f"{', '.join(names)}.".capitalize()
        if self.strangers is not None:
            who += f" Whose it is not gets `{self.strangers}`."
        return who + self._keys_in_words()

    def _keys_in_words(self) -> str:
        return " No API key." if self.key is None else f" API keys with `{self.key.value}`."


_STAFF: Final = frozenset({Role.ADMIN, Role.SUPER_ADMIN})
_SUPER_ADMIN: Final = frozenset({Role.SUPER_ADMIN})
_CUSTOMER: Final = frozenset({Role.CUSTOMER})
_SELLER: Final = frozenset({Role.SELLER})
_INFLUENCER: Final = frozenset({Role.INFLUENCER})
_SALON: Final = frozenset({Role.SALON})
_SELLER_OR_STAFF: Final = _SELLER | _STAFF

ANYBODY: Final = Access(door=Door.NONE)
INSIDERS: Final = Access(door=Door.OWN)
HANDSHAKE: Final = Access(door=Door.HANDSHAKE)


def visitors(*, key: Permission) -> Access:
    """Anybody; a key makes somebody known when it was given this."""
    return Access(door=Door.OPEN, key=key)


def signed_in(*, key: Permission | None = None, strangers: str | None = None) -> Access:
    """Whoever is signed in."""
    return Access(door=Door.CLOSED, key=key, strangers=strangers)


def only(roles: Iterable[Role], *, key: Permission | None = None, strangers: str | None = None) -> Access:
    """Accounts of these roles."""
    return Access(door=Door.CLOSED, roles=frozenset(roles), key=key, strangers=strangers)


def programs(key: Permission) -> Access:
    """Programs with a key that was given this, and staff."""
    return Access(door=Door.CLOSED, roles=_STAFF, key=key, for_programs=True)


Table = Mapping[tuple[str, str], Access]
"""By method and path; paths are those below the API's base, or from the root where a route stands beside it."""

ACCESS: Final[Table] = {
    # --- beside the API ---
    ("GET", "/health"): ANYBODY,
    ("GET", "/health/detailed"): INSIDERS,
    ("GET", "/metrics"): INSIDERS,
    ("GET", "/schema"): ANYBODY,
    ("GET", "/schema/openapi.json"): ANYBODY,
    ("GET", "/schema/docs"): ANYBODY,
    ("GET", "/schema/docs/{name}"): ANYBODY,
    # --- accounts ---
    ("POST", "/auth/register"): ANYBODY,
    ("POST", "/auth/signup/influencer"): ANYBODY,
    ("POST", "/auth/signup/salon"): ANYBODY,
    ("POST", "/auth/verify-otp"): ANYBODY,
    ("POST", "/auth/resend-otp"): ANYBODY,
    ("POST", "/auth/verify-email"): ANYBODY,
    ("POST", "/auth/resend-verification"): ANYBODY,
    ("POST", "/auth/otp/send"): ANYBODY,
    ("POST", "/auth/otp/verify"): ANYBODY,
    ("POST", "/auth/login"): ANYBODY,
    ("POST", "/auth/refresh"): ANYBODY,
    ("POST", "/auth/logout"): signed_in(),
    ("GET", "/auth/me"): signed_in(),
    ("GET", "/auth/sessions"): signed_in(),
    ("DELETE", "/auth/sessions/{sessionId}"): signed_in(strangers="RESOURCE_NOT_FOUND"),
    ("POST", "/auth/change-password"): signed_in(),
    ("POST", "/auth/forgot-password"): ANYBODY,
    ("POST", "/auth/verify-forgot-otp"): ANYBODY,
    ("POST", "/auth/resend-forgot-otp"): ANYBODY,
    ("POST", "/auth/reset-password"): ANYBODY,
    ("GET", "/profile/me"): signed_in(),
    ("PUT", "/profile/me"): signed_in(),
    ("GET", "/profile/me/export"): signed_in(),
    ("POST", "/profile/me/phone/send-code"): signed_in(),
    ("POST", "/profile/me/phone/verify"): signed_in(),
    ("POST", "/profile/me/picture"): signed_in(),
    ("GET", "/profile/{accountId}"): signed_in(),
    ("GET", "/media/{mediaId}"): ANYBODY,
    # --- influencers and salons ---
    ("POST", "/onboarding/influencer"): only(_INFLUENCER),
    ("POST", "/onboarding/salon"): only(_SALON),
    ("GET", "/discovery/influencers"): only(_SALON | _STAFF),
    ("GET", "/discovery/salons"): only(_INFLUENCER | _STAFF),
    # --- programs ---
    ("POST", "/api-keys"): signed_in(),
    ("GET", "/api-keys"): signed_in(),
    ("DELETE", "/api-keys/{keyId}"): signed_in(strangers="API_KEY_NOT_FOUND"),
    # --- the catalogue ---
    ("GET", "/listings"): visitors(key=Permission.LISTINGS_WRITE),
    ("GET", "/listings/search"): ANYBODY,
    ("GET", "/listings/slug/{slug}"): visitors(key=Permission.LISTINGS_WRITE),
    ("GET", "/listings/{listingId}"): visitors(key=Permission.LISTINGS_WRITE),
    ("GET", "/listings/{listingId}/related"): visitors(key=Permission.LISTINGS_WRITE),
    ("POST", "/listings"): only(_SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE),
    ("PUT", "/listings/{listingId}"): only(
        _SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE, strangers="RESOURCE_ACCESS_DENIED"
    ),
    ("PATCH", "/listings/{listingId}/stock"): only(
        _SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE, strangers="RESOURCE_ACCESS_DENIED"
    ),
    ("POST", "/listings/{listingId}/publish"): only(
        _SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE, strangers="RESOURCE_ACCESS_DENIED"
    ),
    ("POST", "/listings/{listingId}/deactivate"): only(
        _SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE, strangers="RESOURCE_ACCESS_DENIED"
    ),
    ("DELETE", "/listings/{listingId}"): only(
        _SELLER_OR_STAFF, key=Permission.LISTINGS_WRITE, strangers="RESOURCE_ACCESS_DENIED"
    ),
    ("GET", "/categories"): ANYBODY,
    ("GET", "/categories/{categoryId}"): ANYBODY,
    ("POST", "/categories"): only(_STAFF),
    ("PUT", "/categories/{categoryId}"): only(_STAFF),
    ("DELETE", "/categories/{categoryId}"): only(_STAFF),
    # --- buying ---
    ("GET", "/cart"): only(_CUSTOMER),
    ("DELETE", "/cart"): only(_CUSTOMER),
    ("POST", "/cart/items"): only(_CUSTOMER),
    ("PATCH", "/cart/items/{listingId}"): only(_CUSTOMER),
    ("DELETE", "/cart/items/{listingId}"): only(_CUSTOMER),
    ("POST", "/orders"): only(_CUSTOMER),
    ("GET", "/orders"): signed_in(key=Permission.ORDERS_READ),
    ("GET", "/orders/by-number/{orderNumber}"): signed_in(
        key=Permission.ORDERS_READ, strangers="ORDER_NOT_FOUND"
    ),
    ("GET", "/orders/{orderId}"): signed_in(key=Permission.ORDERS_READ, strangers="ORDER_NOT_FOUND"),
    ("GET", "/orders/{orderId}/history"): signed_in(key=Permission.ORDERS_READ, strangers="ORDER_NOT_FOUND"),
    ("GET", "/orders/{orderId}/payments"): signed_in(key=Permission.ORDERS_READ, strangers="ORDER_NOT_FOUND"),
    ("POST", "/orders/{orderId}/cancel"): signed_in(strangers="ORDER_NOT_FOUND"),
    ("POST", "/orders/{orderId}/notes"): signed_in(strangers="ORDER_NOT_FOUND"),
    ("POST", "/orders/{orderId}/process"): signed_in(
        key=Permission.ORDERS_FULFIL, strangers="ORDER_NOT_FOUND"
    ),
    ("POST", "/orders/{orderId}/ship"): signed_in(key=Permission.ORDERS_FULFIL, strangers="ORDER_NOT_FOUND"),
    ("PATCH", "/orders/{orderId}/tracking"): signed_in(
        key=Permission.ORDERS_FULFIL, strangers="ORDER_NOT_FOUND"
    ),
    ("POST", "/orders/{orderId}/deliver"): signed_in(
        key=Permission.ORDERS_FULFIL, strangers="ORDER_NOT_FOUND"
    ),
    # --- paying ---
    ("GET", "/payments/methods"): ANYBODY,
    ("POST", "/payments"): only(_CUSTOMER, strangers="ORDER_NOT_FOUND"),
    ("GET", "/payments/{paymentId}"): signed_in(key=Permission.ORDERS_READ, strangers="PAYMENT_NOT_FOUND"),
    ("GET", "/payments/{paymentId}/refunds"): signed_in(
        key=Permission.ORDERS_READ, strangers="PAYMENT_NOT_FOUND"
    ),
    ("POST", "/payments/{paymentId}/confirm"): signed_in(strangers="PAYMENT_NOT_FOUND"),
    ("POST", "/payments/{paymentId}/cancel"): signed_in(strangers="PAYMENT_NOT_FOUND"),
    ("POST", "/payments/{paymentId}/sandbox"): signed_in(strangers="PAYMENT_NOT_FOUND"),
    ("POST", "/payments/{paymentId}/refunds"): only(_STAFF, key=Permission.PAYMENTS_REFUND),
    # --- selling ---
    ("GET", "/seller/orders"): only(_SELLER, key=Permission.ORDERS_READ),
    ("GET", "/seller/earnings"): only(_SELLER),
    ("GET", "/seller/earnings/entries"): only(_SELLER),
    ("GET", "/seller/dashboard"): only(_SELLER),
    # --- as it happens ---
    ("GET", "/ws"): HANDSHAKE,
    # --- running the marketplace ---
    ("GET", "/admin/accounts"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("GET", "/admin/accounts/{accountId}"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("PATCH", "/admin/accounts/{accountId}/suspend"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("PATCH", "/admin/accounts/{accountId}/unsuspend"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("PATCH", "/admin/accounts/{accountId}/role"): only(_SUPER_ADMIN),
    ("DELETE", "/admin/accounts/{accountId}"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("GET", "/admin/dashboard/stats"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("GET", "/admin/sellers"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("POST", "/admin/sellers/{accountId}/approve"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("POST", "/admin/sellers/{accountId}/reject"): only(_STAFF, key=Permission.ACCOUNTS_MANAGE),
    ("GET", "/admin/payments"): only(_STAFF, key=Permission.PAYMENTS_REFUND),
    ("GET", "/admin/activity-logs"): only(_STAFF, key=Permission.AUDIT_READ),
    ("GET", "/admin/audit/events"): only(_STAFF, key=Permission.AUDIT_READ),
    ("GET", "/admin/audit/streams/{streamType}/{streamId}"): only(_STAFF, key=Permission.AUDIT_READ),
    ("GET", "/admin/audit/streams/{streamType}/{streamId}/state"): only(_STAFF, key=Permission.AUDIT_READ),
    ("GET", "/admin/projections"): only(_STAFF, key=Permission.AUDIT_READ),
    ("POST", "/admin/projections/{name}/rebuild"): only(_SUPER_ADMIN),
    ("GET", "/analytics/sales"): only(_STAFF, key=Permission.ANALYTICS_READ),
}
"""Every route of the product."""


class RouteWithoutAccess(Exception):
    """A route is served of which the table does not say who may use it."""


def access_by_route(app: Litestar, base: str, table: Table) -> dict[tuple[str, str], Access]:
    """The rows of an application's own routes, by method and path as the router knows them.

    Raises:
        RouteWithoutAccess: one of them has no row.
    """
    found: dict[tuple[str, str], Access] = {}
    missing: list[str] = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods = {str(method) for method in route.methods} - {"OPTIONS"}
        elif isinstance(route, WebSocketRoute):
            methods = {"GET"}
        else:
            continue
        for method in methods:
            row = table.get((method, path_in_table(route.path_format, base)))
            # What a WebSocket asks of those who come, it asks by itself, and the row must say so.
            if row is None or (isinstance(route, WebSocketRoute) and row.door is not Door.HANDSHAKE):
                missing.append(f"{method} {route.path_format}")
            else:
                found[method, route.path_format] = row
    if missing:
        raise RouteWithoutAccess("Nothing says who may use " + ", ".join(sorted(missing)) + ".")
    return found


def path_in_table(path: str, base: str) -> str:
    """A path as the table has it: without the API's base, parameters in camel case."""
    return camel_path(path.removeprefix(base)) or "/"
