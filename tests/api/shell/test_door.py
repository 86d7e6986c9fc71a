"""Who is let in: by token, by role, by how the account stands now, by protocol, and how often."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.access import RouteWithoutAccess
from api.services import Standing
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role
from domain.api_keys.api_key import ApiKeyExpired
from infrastructure.settings import Settings
from tests.api.shell.office import (
    ADMIN,
    CUSTOMER,
    GONE,
    OFFICE_ACCESS,
    PRODUCTION,
    PROMOTED,
    SUPER_ADMIN,
    SUSPENDED,
    Window,
    office,
    settings_with,
)

BASE = "/api/v1/offices"


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


class TestTokens:
    async def test_a_good_token_says_who_asks(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/me", headers=window.services.bearer(CUSTOMER))
        assert answer.json()["data"]["actorId"] == str(CUSTOMER)
        assert answer.json()["data"]["role"] == "customer"

    async def test_the_role_is_that_of_the_account_not_that_of_the_token(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/me", headers=window.services.bearer(PROMOTED, "customer"))
        forged = await window.client.get(f"{BASE}/vault", headers=window.services.bearer(CUSTOMER, "admin"))
        assert answer.json()["data"]["role"] == "admin"
        assert forged.status_code == 403

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (None, "NO_TOKEN"),
            ("{token}", "INVALID_TOKEN"),
            ("Bearer", "INVALID_TOKEN"),
            ("Bearer  {token}", "INVALID_TOKEN"),
            ("Bearer {token} x", "INVALID_TOKEN"),
            ("Token {token}", "INVALID_TOKEN"),
            ("Basic dXNlcjpwYXNz", "INVALID_TOKEN"),
            ("Bearer x.y.z", "INVALID_TOKEN"),
            ("Bearer {refresh}", "INVALID_TOKEN"),
        ],
    )
    async def test_anything_else_is_refused_with_its_code(
        self, window: Window, header: str | None, code: str
    ) -> None:
        services = window.services
        refresh = services.tokens.issue_refresh(
            account_id=CUSTOMER, role="customer", session_id=CUSTOMER, token_id=CUSTOMER
        )
        headers = {}
        if header is not None:
            value = header.format(token=services.token(CUSTOMER), refresh=refresh.token.reveal())
            headers["Authorization"] = value
        answer = await window.client.get(f"{BASE}/me", headers=headers)
        visitor = await window.client.get(f"{BASE}/visitor", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (visitor.status_code, visitor.json()["data"]["actorId"]) == (200, None)

    async def test_an_old_token_is_told_from_a_wrong_one(self, window: Window) -> None:
        headers = window.services.bearer(CUSTOMER)
        assert (await window.client.get(f"{BASE}/me", headers=headers)).status_code == 200
        window.services.clock.forward(minutes=15)
        answer = await window.client.get(f"{BASE}/me", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "TOKEN_EXPIRED")

    @pytest.mark.parametrize(
        ("account", "status", "code"), [(GONE, 401, "USER_NOT_FOUND"), (SUSPENDED, 403, "ACCOUNT_SUSPENDED")]
    )
    async def test_a_good_token_of_a_bad_account_opens_nothing(
        self, window: Window, account: Any, status: int, code: str
    ) -> None:
        headers = window.services.bearer(account, "admin")
        for path in ("me", "vault"):
            answer = await window.client.get(f"{BASE}/{path}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        visitor = await window.client.get(f"{BASE}/visitor", headers=headers)
        assert visitor.json()["data"]["actorId"] is None

    async def test_a_suspension_counts_at_once(self, window: Window) -> None:
        headers = window.services.bearer(CUSTOMER)
        assert (await window.client.get(f"{BASE}/me", headers=headers)).status_code == 200
        window.services.accounts.known[CUSTOMER] = Standing(role="customer", status="suspended")
        assert (await window.client.get(f"{BASE}/me", headers=headers)).status_code == 403

    @pytest.mark.parametrize(
        ("status", "over", "code"),
        [
            ("pending", False, "ACCOUNT_PENDING"),
            ("rejected", False, "ACCOUNT_REJECTED"),
            ("suspended", True, "ACCOUNT_SUSPENDED"),
            ("deleted", True, "USER_NOT_FOUND"),
            ("approved", True, "TOKEN_REVOKED"),
        ],
    )
    async def test_only_an_account_that_may_act_opens_anything(
        self, window: Window, status: str, over: bool, code: str
    ) -> None:
        standing = Standing(role="admin", status=status, session_over=over)
        window.services.accounts.known[CUSTOMER] = standing
        answer = await window.client.get(f"{BASE}/vault", headers=window.services.bearer(CUSTOMER))
        assert answer.json()["error"]["code"] == code


class TestKeys:
    """Programs that show an API key (requirements KEY-04 to KEY-06)."""

    async def test_a_program_acts_for_its_owner(self, window: Window) -> None:
        key = window.services.keys.give(ADMIN, Role.ADMIN, Permission.EVENTS_SUBSCRIBE)
        answer = await window.client.get(f"{BASE}/feed", headers=key)
        assert answer.json()["data"]["actorId"] == str(ADMIN)

    @pytest.mark.parametrize(
        ("shown", "code"),
        [
            ({}, "API_KEY_REQUIRED"),
            ({"X-API-Key": ""}, "API_KEY_REQUIRED"),
            ({"X-API-Key": "gm_1"}, "API_KEY_INVALID"),
        ],
    )
    async def test_without_a_good_key_there_is_no_feed(
        self, window: Window, shown: dict[str, str], code: str
    ) -> None:
        answer = await window.client.get(f"{BASE}/feed", headers=shown)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)

    async def test_an_old_key_is_told_so(self, window: Window) -> None:
        window.services.keys.bearers["gm_old"] = ApiKeyExpired("This API key has expired.")
        answer = await window.client.get(f"{BASE}/feed", headers={"X-API-Key": "gm_old"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "API_KEY_EXPIRED")

    async def test_a_key_opens_what_it_was_given_and_nothing_else(self, window: Window) -> None:
        keys = window.services.keys
        reader = keys.give(ADMIN, Role.ADMIN, Permission.ORDERS_READ)
        everything = keys.give(ADMIN, Role.ADMIN, Permission.EVERYTHING)
        refused = await window.client.get(f"{BASE}/feed", headers=reader)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")
        assert refused.json()["error"]["details"] == {"permission": "events:subscribe"}
        assert (await window.client.get(f"{BASE}/feed", headers=everything)).status_code == 200

    async def test_no_key_does_what_people_do_in_person(self, window: Window) -> None:
        everything = window.services.keys.give(ADMIN, Role.ADMIN, Permission.EVERYTHING)
        for path in ("me", "vault"):
            answer = await window.client.get(f"{BASE}/{path}", headers=everything)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_a_key_widens_no_role(self, window: Window) -> None:
        key = window.services.keys.give(CUSTOMER, Role.CUSTOMER, Permission.LISTINGS_WRITE)
        office_id = await window.opened()
        answer = await window.client.patch(f"{BASE}/{office_id}/seats/5", headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_where_anybody_comes_in_a_key_without_scope_is_a_stranger(self, window: Window) -> None:
        keys = window.services.keys
        for key, actor in (
            (keys.give(CUSTOMER, Role.CUSTOMER, Permission.ORDERS_READ), str(CUSTOMER)),
            (keys.give(CUSTOMER, Role.CUSTOMER), None),
            ({"X-API-Key": "gm_1"}, None),
        ):
            answer = await window.client.get(f"{BASE}/visitor", headers=key)
            assert (answer.status_code, answer.json()["data"]["actorId"]) == (200, actor)

    async def test_who_shows_both_is_taken_at_the_word_of_the_token(self, window: Window) -> None:
        key = window.services.keys.give(ADMIN, Role.ADMIN, Permission.EVERYTHING)
        answer = await window.client.get(f"{BASE}/me", headers={**key, **window.services.bearer(CUSTOMER)})
        assert answer.json()["data"]["actorId"] == str(CUSTOMER)


class TestTheTable:
    async def test_a_route_that_nobody_thought_of_keeps_the_house_shut(self) -> None:
        forgotten = {row: access for row, access in OFFICE_ACCESS.items() if row[1] != "/offices/vault"}
        with pytest.raises(RouteWithoutAccess, match="GET /api/v1/offices/vault"):
            async with office(access=forgotten):
                pass


class TestRoles:
    @pytest.mark.parametrize(
        ("account", "status", "code"),
        [
            (None, 401, "AUTHENTICATION_REQUIRED"),
            (CUSTOMER, 403, "INSUFFICIENT_PERMISSIONS"),
            (ADMIN, 200, None),
            (SUPER_ADMIN, 200, None),
        ],
    )
    async def test_a_guarded_route_is_for_its_roles(
        self, window: Window, account: Any, status: int, code: str | None
    ) -> None:
        headers = window.services.bearer(account) if account else {}
        answer = await window.client.get(f"{BASE}/vault", headers=headers)
        assert answer.status_code == status
        assert code is None or answer.json()["error"]["code"] == code

    async def test_whoever_the_guard_let_in_is_the_actor(self, window: Window) -> None:
        office_id = await window.opened()
        answer = await window.client.patch(
            f"{BASE}/{office_id}/seats/5", headers=window.services.bearer(ADMIN)
        )
        assert answer.json()["data"]["seatsLeft"] == 8


class TestProduction:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings.from_environment({**PRODUCTION, "RATE_LIMIT_ENABLED": "false"})

    async def test_plain_http_is_sent_to_https(self, settings: Settings) -> None:
        async with office(settings=settings, access_log=_nothing) as window:
            answer = await window.client.get(
                f"{BASE}/list?page=2", headers={"Host": "evil.test", "X-Forwarded-Proto": "http"}
            )
        assert answer.status_code == 308
        assert answer.headers["location"] == f"https://api.shop.test{BASE}/list?page=2"

    async def test_what_changes_something_is_refused_instead(self, settings: Settings) -> None:
        async with office(settings=settings, access_log=_nothing) as window:
            answer = await window.client.post(BASE, json={"officeName": "North", "seats": 1})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "HTTPS_REQUIRED")

    async def test_https_is_what_the_nearest_proxy_says(self, settings: Settings) -> None:
        async with office(settings=settings, access_log=_nothing) as window:
            good = await window.client.get(f"{BASE}/ping", headers={"X-Forwarded-Proto": "https"})
            forged = await window.client.get(f"{BASE}/ping", headers={"X-Forwarded-Proto": "https, http"})
        assert good.status_code == 200
        assert "max-age=" in good.headers["strict-transport-security"]
        assert forged.status_code == 308

    async def test_without_proxies_nobody_is_believed(self) -> None:
        settings = Settings.from_environment(
            {**PRODUCTION, "RATE_LIMIT_ENABLED": "false", "TRUST_PROXY_HOPS": "0"}
        )
        async with office(settings=settings, access_log=_nothing) as window:
            answer = await window.client.get(f"{BASE}/ping", headers={"X-Forwarded-Proto": "https"})
        assert answer.status_code == 308

    async def test_probes_need_no_https(self, settings: Settings) -> None:
        async with office(settings=settings, access_log=_nothing) as window:
            assert (await window.client.get("/health")).status_code == 200


class TestLimits:
    @pytest.fixture
    def settings(self) -> Settings:
        return settings_with(
            RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="3", RATE_LIMIT_MAX_AUTHENTICATED="5"
        )

    async def test_a_stranger_gets_so_many_requests(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            answers = [await window.client.get(f"{BASE}/ping") for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"anonymous";q=3;w=900'
        assert answers[0].headers["ratelimit"] == '"anonymous";r=2;t=900'
        assert answers[3].json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert 0 < int(answers[3].headers["retry-after"]) <= 900
        assert not [name for name in answers[3].headers if name.startswith("x-ratelimit")]

    async def test_addresses_are_counted_apart_and_an_ipv6_network_is_one(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            statuses = [
                (await window.client.get(f"{BASE}/ping", headers={"X-Forwarded-For": address})).status_code
                for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "198.51.100.1")
            ]
        assert statuses == [200, 200, 200, 429, 200]

    async def test_an_account_has_a_limit_of_its_own(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            customer = window.services.bearer(CUSTOMER)
            answers = [await window.client.get(f"{BASE}/me", headers=customer) for _ in range(6)]
            other = await window.client.get(f"{BASE}/me", headers=window.services.bearer(ADMIN))
        assert [each.status_code for each in answers] == [200] * 5 + [429]
        assert other.status_code == 200

    async def test_a_key_has_a_limit_of_its_own(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            key = window.services.keys.give(ADMIN, Role.ADMIN, Permission.EVENTS_SUBSCRIBE)
            answers = [await window.client.get(f"{BASE}/feed", headers=key) for _ in range(7)]
            owner = await window.client.get(f"{BASE}/me", headers=window.services.bearer(ADMIN))
        # The first one, before anybody knows the key, counts as a stranger's.
        assert [each.status_code for each in answers] == [200] * 6 + [429]
        assert owner.status_code == 200

    async def test_guessed_keys_count_as_a_stranger(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            statuses = [
                (await window.client.get(f"{BASE}/feed", headers={"X-API-Key": f"gm_{n}"})).status_code
                for n in range(4)
            ]
        assert statuses == [401, 401, 401, 429]

    async def test_a_bad_token_buys_no_requests(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            statuses = [
                (
                    await window.client.get(
                        f"{BASE}/ping", headers={"Authorization": f"Bearer x{number}.y.z"}
                    )
                ).status_code
                for number in range(4)
            ]
        assert statuses[-1] == 429

    async def test_probes_and_callbacks_are_not_counted(self, settings: Settings) -> None:
        async with office(settings=settings) as window:
            for _ in range(5):
                assert (await window.client.get("/health")).status_code == 200
                assert (await window.client.post(f"{BASE}/callback")).status_code == 200

    async def test_signing_in_is_limited_by_address_and_identifier(self) -> None:
        settings = settings_with(RATE_LIMIT_ENABLED="true", AUTH_RATE_LIMIT_MAX="2")
        async with office(settings=settings) as window:

            async def sign_in(email: str) -> int:
                body = {"email": email, "password": "long enough"}
                return (await window.client.post(f"{BASE}/sign-in", json=body)).status_code

            assert [await sign_in(each) for each in ("a@b.c", " A@B.C ", "a@b.c")] == [200, 200, 429]
            assert await sign_in("d@e.f") == 200

    async def test_a_telephone_written_in_another_way_is_the_same_one(self) -> None:
        settings = settings_with(RATE_LIMIT_ENABLED="true", AUTH_RATE_LIMIT_MAX="2")
        async with office(settings=settings) as window:
            statuses = [
                (
                    await window.client.post(
                        f"{BASE}/sign-in", json={"email": phone, "password": "long enough"}
                    )
                ).status_code
                for phone in ("+998901234567", "+998 (90) 123-45-67", " +998.90.123.45.67 ")
            ]
        assert statuses == [200, 200, 429]

    async def test_switched_off_nothing_is_counted(self, window: Window) -> None:
        for _ in range(120):
            answer = await window.client.get(f"{BASE}/ping")
            assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


class TestAccessLog:
    async def test_each_request_leaves_one_line_without_what_was_in_its_query(self) -> None:
        lines: list[dict[str, Any]] = []

        def take(event: str, **facts: Any) -> None:
            lines.append({"event": event, **facts})

        async with office(access_log=take) as window:
            headers = {**window.services.bearer(CUSTOMER), "User-Agent": "shop/1", "X-Request-Id": "r-1"}
            await window.client.get(f"{BASE}/me?token=abc&secretvalue&a%20b=1", headers=headers)
            await window.client.get("/nowhere")
        first, second = lines
        assert first.pop("duration_ms") > 0
        assert first == {
            "event": "request",
            "method": "GET",
            "path": f"{BASE}/me",
            "status": 200,
            "client_address": "203.0.113.7",
            "user_agent": "shop/1",
            "request_id": "r-1",
            "query": "token=***&***&***",
            "actor_id": str(CUSTOMER),
        }
        assert second["status"] == 404


def _nothing(*_: object, **__: object) -> None:
    """For tests that run as production, which logs."""
