"""All routes of the product, context by context; `api.app.create_app` mounts them."""

from litestar import Controller

from api.accounts.controller import CONTROLLERS as ACCOUNTS
from api.analytics.controller import CONTROLLERS as ANALYTICS
from api.api_keys.controller import CONTROLLERS as API_KEYS
from api.audit.controller import CONTROLLERS as AUDIT
from api.carts.controller import CONTROLLERS as CARTS
from api.categories.controller import CONTROLLERS as CATEGORIES
from api.discovery.controller import CONTROLLERS as DISCOVERY
from api.listings.controller import CONTROLLERS as LISTINGS
from api.media.controller import CONTROLLERS as MEDIA
from api.orders.controller import CONTROLLERS as ORDERS
from api.payments.controller import CONTROLLERS as PAYMENTS
from api.payouts.controller import CONTROLLERS as PAYOUTS
from api.realtime.controller import CONTROLLERS as REALTIME

CONTROLLERS: tuple[type[Controller], ...] = (
    *ACCOUNTS,
    *ANALYTICS,
    *API_KEYS,
    *AUDIT,
    *CARTS,
    *CATEGORIES,
    *DISCOVERY,
    *LISTINGS,
    *MEDIA,
    *ORDERS,
    *PAYMENTS,
    *PAYOUTS,
    *REALTIME,
)
