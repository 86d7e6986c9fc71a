"""The routes of listings."""

from litestar import Controller

from api.listings.selling import SellingController

CONTROLLERS: tuple[type[Controller], ...] = (SellingController,)
