"""How far each read model is (requirements ES-08)."""

import time
from datetime import datetime

import click
import msgspec
import psycopg

from api.cli.environment import machinery
from api.cli.output import ago, count, expecting_failures, json_option, print_json, print_table
from infrastructure.bootstrap import PROJECTIONS
from infrastructure.event_store.log import PostgresLog
from projections.shared import tracking
from projections.shared.tracking import Tracked


class ReadModel(msgspec.Struct, frozen=True, kw_only=True):
    """One read model as it stands; the part about a live generation is `None` where it was never created.

    `rate` is in events a second since the look before, `None` at the first; `rebuilding_at` is the position of a
    generation that is being filled, or was left behind by a rebuild that was interrupted.
    """

    name: str
    generation: int | None
    position: int | None
    lag: int
    updated_at: datetime | None
    rate: float | None
    outdated: bool
    rebuilding_at: int | None

    @property
    def state(self) -> str:
        """What there is to say of it in words."""
        if self.generation is None:
            return "missing: run `daftar migrate`"
        words = []
        if self.outdated:
            words.append("old shape: run `daftar migrate`")
        if self.rebuilding_at is not None:
            words.append(f"rebuild at {count(self.rebuilding_at)}")
        return ", ".join(words)


def look(history: PostgresLog, connection: psycopg.Connection[tuple[object, ...]]) -> list[ReadModel]:
    """Every read model that this program knows, at one glance."""
    tracked = tracking.all_tracked(connection)
    # Asked for after the positions, so that nothing seems to be ahead of the log.
    head = history.head()
    live = {each.name: each for each in tracked if each.live}
    filling = {each.name: each.position for each in tracked if not each.live}
    return [
        _read_model(
            projection.name,
            live.get(projection.name),
            head,
            fingerprint=projection.fingerprint(),
            rebuilding_at=filling.get(projection.name),
        )
        for projection in sorted(PROJECTIONS, key=lambda each: each.name)
    ]


def _read_model(
    name: str, live: Tracked | None, head: int, *, fingerprint: str, rebuilding_at: int | None
) -> ReadModel:
    return ReadModel(
        name=name,
        generation=None if live is None else live.generation,
        position=None if live is None else live.position,
        lag=head - (0 if live is None else live.position),
        updated_at=None if live is None else live.updated_at,
        rate=None,
        outdated=live is not None and live.fingerprint != fingerprint,
        rebuilding_at=rebuilding_at,
    )


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks of --watch.",
)
@expecting_failures
def projections(*, as_json: bool, watch: bool, every: float) -> None:
    """Show each read model: its generation, position and lag, when it last moved, and how fast.

    Lag is how many events of the log it has not taken yet. The rate needs two looks: see --watch.

    \b
    Example:
      daftar projections
      daftar projections --watch --every 1
    """
    tools = machinery()
    history = tools.open_log(name="daftar-projections")
    try:
        with tools.connect(name="daftar-projections") as connection:
            before: list[ReadModel] = []
            looked_at = time.monotonic()
            while True:
                now = time.monotonic()
                models = _with_rates(look(history, connection), before, now - looked_at)
                _show(models, as_json=as_json)
                if not watch:
                    return
                before, looked_at = models, now
                time.sleep(every)
                if not as_json:
                    click.echo()
    finally:
        history.close()


def _with_rates(models: list[ReadModel], before: list[ReadModel], seconds: float) -> list[ReadModel]:
    known = {model.name: model for model in before}
    return [_with_rate(model, known.get(model.name), seconds) for model in models]


def _with_rate(model: ReadModel, before: ReadModel | None, seconds: float) -> ReadModel:
    if (
        before is None
        or seconds <= 0
        or before.generation != model.generation
        or model.position is None
        or before.position is None
    ):
        return model
    return msgspec.structs.replace(model, rate=round((model.position - before.position) / seconds, 1))


def _show(models: list[ReadModel], *, as_json: bool) -> None:
    if as_json:
        print_json(models)
        return
    print_table(
        ("READ MODEL", "GENERATION", "POSITION", "LAG", "EVENTS/S", "UPDATED", ""),
        [
            (
                model.name,
                "-" if model.generation is None else str(model.generation),
                "-" if model.position is None else count(model.position),
                count(model.lag),
                "-" if model.rate is None else f"{model.rate:,.0f}",
                "-" if model.updated_at is None else ago(model.updated_at),
                model.state,
            )
            for model in models
        ],
        right=frozenset((1, 2, 3, 4)),
    )
