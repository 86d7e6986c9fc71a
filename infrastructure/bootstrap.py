"""The only module that knows every concrete class: what the program is made of, as dictionaries that can be read."""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

import domain.accounts.events
import domain.api_keys.events
import domain.audit.events
import domain.carts.events
import domain.categories.events
import domain.inventory.events
import domain.listings.events
import domain.media.events
import domain.notifications.events
import domain.orders.events
import domain.otp.events
import domain.payments.events
import domain.payouts.events
from application.accounts import handlers as accounts
from application.api_keys import handlers as api_keys
from application.audit import handlers as audit
from application.carts import handlers as carts
from application.categories import handlers as categories
from application.inventory import handlers as inventory
from application.listings import handlers as listings
from application.media import handlers as media
from application.notifications import handlers as notifications
from application.orders import handlers as orders
from application.otp import handlers as otp
from application.payments import handlers as payments
from application.payments.ports import GatewayRegistry, PaymentGateway
from application.payouts import handlers as payouts
from application.shared.command import Command
from application.shared.loop import CommandLoop, Handler
from application.shared.store import Kind
from domain.shared import claims
from infrastructure.database import ImpatientSyncConnection
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.names import EventNames, Upcaster
from infrastructure.event_store.postgres import PostgresEventStore, open_pool
from infrastructure.files.minio import MinioFiles
from infrastructure.identity import new_id, utc_now
from infrastructure.payments.patient import patient_registry
from infrastructure.payments.sandbox import SandboxGateway
from infrastructure.security.cipher import KeyWrapper
from infrastructure.settings import Environment, Settings
from projections.accounts.account_directory import AccountDirectory
from projections.accounts.account_sessions import AccountSessionsProjection
from projections.accounts.admin_dashboard import AdminDashboardProjection
from projections.analytics.sales_daily import SalesDailyProjection
from projections.analytics.seller_daily import SellerDailyProjection
from projections.api_keys.api_keys import ApiKeysProjection
from projections.audit.activity_log import ActivityLogProjection
from projections.audit.audit_index import AuditIndexProjection
from projections.audit.rebuild_requests import RebuildRequestsProjection
from projections.carts.cart_view import CartViewProjection
from projections.categories.category_list import CategoryList
from projections.discovery.discovery import DiscoveryProjection
from projections.listings.catalogue_search import CatalogueSearch
from projections.listings.listing_detail import ListingDetailProjection
from projections.orders.customer_orders import CustomerOrdersProjection
from projections.orders.order_detail import OrderDetailProjection
from projections.orders.seller_orders import SellerOrdersProjection
from projections.payments.payment_ledger import PaymentLedgerProjection
from projections.payouts.seller_earnings import SellerEarningsProjection
from projections.shared.projection import Projection

EVENT_MODULES = (
    domain.accounts.events,
    domain.api_keys.events,
    domain.audit.events,
    domain.carts.events,
    domain.categories.events,
    domain.inventory.events,
    domain.listings.events,
    domain.media.events,
    domain.notifications.events,
    domain.orders.events,
    domain.otp.events,
    domain.payments.events,
    domain.payouts.events,
    claims,
)

UPCASTERS: dict[str, Upcaster] = {}
"""Outdated stored names, each with the function that makes its fields those of the next version."""

_CONTEXTS = (
    accounts,
    api_keys,
    audit,
    carts,
    categories,
    inventory,
    listings,
    media,
    notifications,
    orders,
    otp,
    payments,
    payouts,
)

HANDLERS: dict[type[Command], Handler] = {
    command: handler for context in _CONTEXTS for command, handler in context.HANDLERS.items()
}

KINDS: tuple[Kind[Any], ...] = (
    Kind("claim", claims.Claim, claims.evolve),
    *(kind for context in _CONTEXTS for kind in context.KINDS),
)

AUDITABLE: Final = tuple(kind for kind in KINDS if kind.state is not claims.Claim)
"""The streams that staff may look into. Those of claims are named after the value that is claimed, an address or a phone: to find
them is to know these, also after an erasure.
"""

PROJECTIONS: tuple[Projection, ...] = (
    AccountDirectory(),
    AccountSessionsProjection(),
    ActivityLogProjection(),
    AdminDashboardProjection(),
    ApiKeysProjection(),
    AuditIndexProjection(event for kind in AUDITABLE for event in kind.events),
    CartViewProjection(),
    CatalogueSearch(),
    CategoryList(),
    CustomerOrdersProjection(),
    DiscoveryProjection(),
    ListingDetailProjection(),
    OrderDetailProjection(),
    PaymentLedgerProjection(),
    RebuildRequestsProjection(),
    SalesDailyProjection(),
    SellerDailyProjection(),
    SellerEarningsProjection(),
    SellerOrdersProjection(),
)
"""Every read model."""

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


class Machinery:
    """What every role needs to read and write the log: names, keys, codec."""

    def __init__(self, settings: Settings) -> None:
        """Opens nothing yet."""
        self.settings = settings
        self.wrapper = KeyWrapper(settings.encryption.key, settings.encryption.previous_keys)
        self.names = EventNames(EVENT_MODULES, UPCASTERS)
        self.codec = Codec(self.names, Keyring(self.wrapper))
        self.new_id = new_id
        self.clock = utc_now

    @property
    def database_url(self) -> str:
        """Where the log is.

        Raises:
            LookupError: no database is configured and none was started.
        """
        if self.settings.database.url is None:
            raise LookupError("DATABASE_URL is not set.")
        return self.settings.database.url.reveal()

    def connect(self, *, name: str, answer_seconds: float | None = None) -> psycopg.Connection[Any]:
        """A synchronous connection of one's own, in autocommit mode.

        It is over when the server takes longer than `answer_seconds` for an answer; without that it may work for hours.
        """
        return ImpatientSyncConnection.connect(
            self.database_url,
            autocommit=True,
            application_name=name,
            connect_timeout=10,
            answer_seconds=answer_seconds,
        )

    def open_log(self, *, name: str, answer_seconds: float | None = None) -> PostgresLog:
        """The log over a connection of its own; close it with `PostgresLog.close`."""
        return PostgresLog(self.connect(name=f"{name}-log", answer_seconds=answer_seconds), self.codec)

    def payment_gateways(self) -> GatewayRegistry:
        """The providers that the settings switch on."""
        gateways: list[PaymentGateway] = []
        if self.settings.payments.sandbox:
            gateways.append(SandboxGateway(derived_key(self.settings, b"sandbox")))
        return patient_registry(gateways, pause_seconds=self.settings.process.upstream_pause_seconds)

    def files(self) -> MinioFiles:
        """The object store; close it with `MinioFiles.close`. A bucket that is missing is made in development only."""
        in_development = self.settings.environment is Environment.DEVELOPMENT
        return MinioFiles(self.settings.s3, make_bucket=in_development)

    def address_of_media(self, media_id: UUID) -> str:
        """Where a file is shown."""
        http = self.settings.http
        return f"{http.app_url.rstrip('/')}/api/{http.api_version}/media/{media_id}"

    @asynccontextmanager
    async def open_pool(self, *, name: str) -> AsyncIterator[Pool]:
        """Connections for asynchronous work."""
        database = self.settings.database
        pool = await open_pool(
            self.database_url,
            min_size=database.pool_min,
            max_size=database.pool_max,
            name=name,
            statement_seconds=database.statement_seconds,
        )
        try:
            yield pool
        finally:
            await pool.close()

    @asynccontextmanager
    async def open_commands(self, pool: Pool) -> AsyncIterator[tuple[CommandLoop, PostgresEventStore]]:
        """A running command loop over the event store."""
        async with AsyncExitStack() as stack:
            store = PostgresEventStore(pool, self.codec, self.wrapper, KINDS)
            stack.push_async_callback(store.aclose)
            loop = CommandLoop(
                store,
                handlers=HANDLERS,
                kinds=KINDS,
                clock=utc_now,
                new_id=new_id,
                queue_size=self.settings.process.command_queue_size,
            )
            await stack.enter_async_context(loop)
            yield loop, store


def derived_key(settings: Settings, purpose: bytes) -> bytes:
    """A key for one purpose, from the pepper; the same in every process of an installation."""
    return hmac.digest(settings.passwords.pepper.reveal().encode(), b"daftar " + purpose, "sha256")


def kinds_by_name() -> Mapping[str, Kind[Any]]:
    """Kinds of streams by the word that tools and URLs use."""
    return {kind.name: kind for kind in KINDS}
