"""What one API process is made of: opened in order, closed the other way round."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from api.accounts.door import Door, open_door
from api.context import Connection, application_of
from api.realtime.sockets import Sockets
from api.services import HealthCheck, Standing
from application.api_keys.issuing import ApiKeyIssuer
from application.api_keys.using import KeyDoor
from application.media.ports import Files
from application.media.profile_pictures import ProfilePictures
from application.payments.desk import PaymentDesk
from application.payments.ports import GatewayRegistry
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from domain.orders.amounts import OrderTerms
from infrastructure.bootstrap import Machinery, Pool, derived_key, kinds_by_name
from infrastructure.cache.catalogue import CatalogueCache
from infrastructure.cache.redis import connect
from infrastructure.cache.session_use import SessionUse
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.files.images import PillowPortraits
from infrastructure.last_seen import LastSeen
from infrastructure.reachable import mail_answers, nats_answers, object_store_answers
from infrastructure.replay import Archive
from infrastructure.security.tokens import TokenIssuer
from infrastructure.settings import Settings
from infrastructure.standing import ProgramsAtTheDoor, Standings
from infrastructure.standing_follower import StandingFollower
from projections.listings.catalogue import Catalogue
from projections.shared.reader import Reader


class AppServices(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that routes use; implements `api.services.Services`."""

    settings: Settings
    commands: CommandLoop
    store: PostgresEventStore
    reader: Reader
    tokens: TokenIssuer
    accounts: "Directory"
    keys: ProgramsAtTheDoor
    api_keys: ApiKeyIssuer
    last_seen: LastSeen
    session_use: SessionUse
    redis: Redis | None
    clock: Clock
    new_id: NewId
    health_checks: Mapping[str, HealthCheck]
    door: Door
    gateways: GatewayRegistry
    payment_desk: PaymentDesk
    order_terms: OrderTerms
    catalogue: Catalogue
    catalogue_cache: CatalogueCache
    files: Files
    pictures: ProfilePictures
    sockets: Sockets
    archive: Archive

    async def head(self) -> int:
        """The position of the newest event."""
        return await self.store.head()


def services_of(connection: Connection) -> AppServices:
    """The services of the application that answers a request."""
    services = application_of(connection).services
    assert isinstance(services, AppServices), "routes of the product run on the product's services"
    return services


class Directory:
    """`api.services.Accounts` over the log."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    async def standing(self, account_id: UUID, session_id: UUID) -> Standing | None:
        """Role, status and session, as the log has them; at most two seconds old when it is away."""
        stood = await self._standings.of(account_id, session_id)
        account = stood.account
        if account is None:
            return None
        return Standing(role=account.role.value, status=account.status.value, session_over=stood.session_over)

    def forget(self, session_id: UUID) -> None:
        """What is known of a session that was just ended is old."""
        self._standings.forget(session_id)


@asynccontextmanager
async def open_services(tools: Machinery) -> AsyncIterator[AppServices]:
    """Open what the API needs. Redis, NATS, mail and the object store may be away; the database may not.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    settings = tools.settings
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(tools.open_pool(name="daftar-api"))
        commands, store = await stack.enter_async_context(tools.open_commands(pool))
        redis = None
        if settings.redis_url is not None:
            redis = connect(settings.redis_url)
            stack.push_async_callback(redis.aclose)
        door = await stack.enter_async_context(open_door(tools, commands=commands, store=store, redis=redis))
        files, portraits = tools.files(), PillowPortraits()
        stack.callback(files.close)
        stack.callback(portraits.close)
        reader = Reader(pool)
        gateways = tools.payment_gateways()
        kinds = kinds_by_name()
        standings = Standings(
            store, account=kinds["account"], session=kinds["session"], api_key=kinds["api_key"]
        )
        sockets = Sockets()
        standings.watch(sockets.doubt)
        session_use = await stack.enter_async_context(
            SessionUse(
                redis,
                seconds=settings.tokens.session_cache_seconds,
                namespace=derived_key(settings, b"session use"),
            )
        )
        standings.watch(session_use.forget)
        follower = StandingFollower(
            standings, database_url=tools.database_url, names=tools.names, memories=(store, commands)
        )
        await stack.enter_async_context(follower)
        last_seen = await stack.enter_async_context(
            LastSeen(redis, pool, namespace=derived_key(settings, b"last seen"))
        )
        yield AppServices(
            settings=settings,
            commands=commands,
            store=store,
            reader=reader,
            tokens=token_issuer(settings, tools.clock),
            accounts=Directory(standings),
            api_keys=ApiKeyIssuer(
                commands=commands,
                new_id=tools.new_id,
                random_bytes=os.urandom,
                prefix=settings.accounts.api_key_prefix,
            ),
            last_seen=last_seen,
            session_use=session_use,
            keys=ProgramsAtTheDoor(
                KeyDoor(
                    store=store,
                    credentials=store,
                    clock=tools.clock,
                    prefix=settings.accounts.api_key_prefix,
                ),
                standings,
                tools.clock,
            ),
            redis=redis,
            clock=tools.clock,
            new_id=tools.new_id,
            health_checks=health_checks(settings, pool, redis),
            door=door,
            catalogue=Catalogue(reader),
            catalogue_cache=CatalogueCache(
                redis, settings.catalogue_cache_seconds, namespace=derived_key(settings, b"catalogue cache")
            ),
            gateways=gateways,
            payment_desk=PaymentDesk(gateways, commands),
            order_terms=OrderTerms(
                tax_rate=settings.commerce.tax_rate_bp,
                shipping_fees=dict(settings.commerce.courier_fee),
                commission_rate=settings.commerce.platform_commission_bp,
            ),
            files=files,
            pictures=ProfilePictures(
                files=files,
                portraits=portraits,
                new_id=tools.new_id,
                address_of=tools.address_of_media,
            ),
            sockets=sockets,
            archive=Archive(tools),
        )


def token_issuer(settings: Settings, clock: Clock) -> TokenIssuer:
    """Issues and verifies tokens under the keys of the settings."""
    tokens = settings.tokens
    return TokenIssuer(
        access_secret=tokens.access_secret,
        refresh_secret=tokens.refresh_secret,
        access_lifetime=tokens.access_lifetime,
        refresh_lifetime=tokens.refresh_lifetime,
        issuer=tokens.issuer,
        audience=tokens.audience,
        clock=clock,
        previous_access_secrets=tokens.previous_access_secrets,
        previous_refresh_secrets=tokens.previous_refresh_secrets,
    )


def health_checks(settings: Settings, pool: Pool, redis: Redis | None) -> dict[str, HealthCheck]:
    """One check a server; each raises when its server does not answer."""

    async def database() -> None:
        async with pool.connection(timeout=1.5) as connection:
            await connection.execute("SELECT 1")

    checks: dict[str, HealthCheck] = {"database": database}
    if redis is not None:
        checks["redis"] = redis.ping
    nats_url = settings.nats_url
    if nats_url is not None:
        checks["nats"] = lambda: nats_answers(nats_url)
    if settings.s3.endpoint is not None:
        checks["object_storage"] = lambda: object_store_answers(settings.s3)
    smtp = settings.mail.smtp
    if smtp is not None:
        checks["mail"] = lambda: mail_answers(smtp)
    return checks
