"""All routes of the product, context by context; `api.app.create_app` mounts them."""

from litestar import Controller

from api.accounts.controller import CONTROLLERS as ACCOUNTS
from api.categories.controller import CONTROLLERS as CATEGORIES
from api.listings.controller import CONTROLLERS as LISTINGS

CONTROLLERS: tuple[type[Controller], ...] = (*ACCOUNTS, *CATEGORIES, *LISTINGS)
