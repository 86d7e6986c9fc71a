"""Commit messages say what they are (requirement DEP-15); pre-commit asks with this very pattern."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
HOOKS: Final = {hook["id"]: hook for repository in CONFIG["repos"] for hook in repository["hooks"]}
PATTERN: Final = re.compile(HOOKS["commit-message"]["entry"], re.MULTILINE)


@pytest.mark.parametrize(
    "message",
    [
        "feat(orders): let a buyer cancel before payment",
        "fix: a refund is counted once\n\nWhy, and what was considered.\n",
        "perf(core)!: positions are 64 bits wide",
        "Merge branch 'main'",
    ],
)
def test_a_commit_says_what_it_is(message: str) -> None:
    assert PATTERN.search(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "stuff",
        "feature: a button",
        "feat(Orders): capitals",
        "feat(orders) no colon",
        "feat: ",
        "feat: " + "far too long " * 12,
        "wip\n\nfeat(orders): the subject is the first line",
    ],
)
def test_any_other_is_turned_back(message: str) -> None:
    assert PATTERN.search(message) is None


def test_only_the_message_is_judged_when_a_message_is_written() -> None:
    stages = {name: hook.get("stages", CONFIG["default_stages"]) for name, hook in HOOKS.items()}
    assert [name for name, when in stages.items() if "commit-msg" in when] == ["commit-message"]
    assert HOOKS["commit-message"]["args"] == ["--negate", "--multiline"]


def test_every_local_tool_is_one_that_the_checks_use() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for hook in HOOKS.values():
        entry = hook.get("entry", "")
        if entry.startswith(".venv/bin/"):
            tool = entry.split()[0].removeprefix(".venv/bin/")
            assert f"$(BIN)/{tool}" in makefile
