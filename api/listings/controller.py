"""The routes of listings."""

from litestar import Controller

from api.listings.catalogue import CatalogueController
from api.listings.selling import SellingController

CONTROLLERS: tuple[type[Controller], ...] = (CatalogueController, SellingController)
