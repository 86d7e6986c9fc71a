"""The doctor names what is wrong, and nothing that is not."""

from collections.abc import Mapping

import msgspec
import pytest

from api.cli.doctor import Health, settings_findings
from api.cli.seeding import seed_demo
from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.settings import Settings
from tests.api.cli.conftest import Run
from tests.api.cli.test_projections import catch_up

ONE = f"read {PROJECTIONS[0].name}"


@pytest.fixture
async def healthy(tools: Machinery) -> None:
    """A shop in which everything has been read and published."""
    await seed_demo(tools)
    head = catch_up(tools)
    with tools.connect(name="test") as connection:
        connection.execute(
            "INSERT INTO publisher_positions (publisher, position) VALUES ('nats', %s)", (head,)
        )


def examined(run: Run, *, code: int) -> Mapping[str, tuple[str, str]]:
    result = run("doctor", "--json")
    assert result.exit_code == code, result.output
    report = msgspec.json.decode(result.stdout)
    assert report["healthy"] is (code == 0)
    return {finding["about"]: (finding["health"], finding["says"]) for finding in report["findings"]}


@pytest.mark.services
class TestHealth:
    def test_a_healthy_shop_is_called_so(self, healthy: None, run: Run) -> None:
        findings = examined(run, code=0)
        for about in ("postgres", "schema", "log", "redis", "object store", "mail", "publisher", ONE):
            assert findings[about][0] == "ok", findings[about]
        assert findings["nats"][0] in {"ok", "doubtful"}

    def test_people_read_a_line_a_finding(self, healthy: None, run: Run) -> None:
        shown = run("doctor").stdout
        assert "without a gap" in shown
        assert "wrong" not in shown

    def test_a_gap_in_the_log_is_found(self, healthy: None, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute("DELETE FROM stored_events WHERE notification_id = 7")
        assert examined(run, code=1)["log"][0] == "wrong"

    def test_a_read_model_that_stands_still_is_found(self, healthy: None, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute(
                """
                UPDATE projection_tracking SET position = position - 3, updated_at = now() - interval '1 minute'
                WHERE name = %s
                """,
                (PROJECTIONS[0].name,),
            )
        health, says = examined(run, code=1)[ONE]
        assert health == "wrong"
        assert says.startswith("3 events behind and standing still")

    def test_one_that_is_only_a_moment_behind_is_well(
        self, healthy: None, tools: Machinery, run: Run
    ) -> None:
        with tools.connect(name="test") as connection:
            connection.execute("UPDATE projection_tracking SET position = position - 3, updated_at = now()")
        assert examined(run, code=0)[ONE] == ("ok", "3 events behind")

    def test_a_publisher_that_stands_still_is_found(self, healthy: None, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute(
                "UPDATE publisher_positions SET position = 1, updated_at = now() - interval '1 minute'"
            )
        assert examined(run, code=1)["publisher"][0] == "wrong"

    def test_without_a_schema_it_says_what_to_do(
        self, environment: dict[str, str], empty_database_url: str, run: Run
    ) -> None:
        environment["DATABASE_URL"] = empty_database_url
        assert examined(run, code=1)["schema"] == ("wrong", "there is none: run `daftar migrate`")

    def test_servers_that_are_away_are_found_and_no_password_is_told(
        self, healthy: None, environment: dict[str, str], run: Run
    ) -> None:
        environment |= {
            "DATABASE_URL": "postgresql://daftar:hidden-word@127.0.0.1:1/daftar",
            "NATS_URL": "nats://hidden-word@127.0.0.1:1",
            "REDIS_URL": "redis://:hidden-word@127.0.0.1:1/0",
            "S3_ENDPOINT": "http://127.0.0.1:1",
            "SMTP_PORT": "1",
        }
        findings = examined(run, code=1)
        for about in ("postgres", "nats", "redis", "object store", "mail"):
            assert findings[about][0] == "wrong", about
        assert "hidden-word" not in run("doctor").output

    def test_a_bucket_that_is_missing_is_found(
        self, healthy: None, environment: dict[str, str], run: Run
    ) -> None:
        environment["S3_BUCKET"] = "no-such-bucket"
        assert examined(run, code=1)["object store"] == ("wrong", "has no bucket no-such-bucket")


class TestSettings:
    def test_what_is_insecure_is_doubtful(self) -> None:
        settings = Settings.from_environment(
            {"APP_ENV": "test", "RATE_LIMIT_ENABLED": "false", "BCRYPT_ROUNDS": "4"}
        )
        doubts = [each.says for each in settings_findings(settings) if each.health is Health.DOUBTFUL]
        assert any("RATE_LIMIT_ENABLED" in says for says in doubts)
        assert any("BCRYPT_ROUNDS" in says for says in doubts)
        assert any(says.startswith("JWT_SECRET is not set") for says in doubts)
