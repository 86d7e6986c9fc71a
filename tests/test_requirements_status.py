"""docs/requirements-status.md tells the truth as far as a program can see: every row is there, and so is what proves it."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[1]
STATUS: Final = ROOT / "docs" / "requirements-status.md"
IDS: Final = (ROOT / "docs" / "requirements" / "ids.txt").read_text(encoding="utf-8").split()
ROW: Final = re.compile(r"\| (?P<id>[A-Z]+-[0-9]+) \|(?P<rest>.*)\|")


class Row(NamedTuple):
    """One requirement: how far it is, what shows it, and what is missing."""

    requirement: str
    state: str
    shown_by: str
    missing: str


def rows() -> list[Row]:
    found = []
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| id ", "| ---")):
            match = ROW.fullmatch(line)
            assert match is not None, f"this is no row: {line}"
            state, shown_by, missing = (cell.strip() for cell in match["rest"].split("|"))
            found.append(Row(match["id"], state, shown_by, missing))
    return found


def names_of_tests_in(path: Path) -> set[str]:
    """The tests that a file defines, as pytest names them; read, not run."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return {name for name in found if name.split("::")[-1].startswith("test_")}


def is_shown(shown_by: str) -> bool:
    """Whether what a row names is there: a test of this repository, a target of the Makefile, or a script."""
    name = shown_by.strip("`")
    if not shown_by.startswith("`") or name == "":
        return False
    if name.startswith("make "):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        return re.search(rf"^{re.escape(name[5:])}: .*## ", makefile, re.MULTILINE) is not None
    file, _, test = name.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    return path.stat().st_mode & 0o111 != 0 if test == "" else test in names_of_tests_in(path)


def test_every_requirement_has_one_row_and_every_row_a_requirement() -> None:
    assert len(IDS) == len(set(IDS)) == 431
    assert [row.requirement for row in rows()] == IDS


def test_a_row_says_how_far_it_is() -> None:
    assert {row.state for row in rows()} <= {"built", "part", "later"}


@pytest.mark.parametrize(
    "row", [row for row in rows() if row.state != "later"], ids=lambda row: row.requirement
)
def test_what_is_built_is_shown_by_something_that_exists(row: Row) -> None:
    assert is_shown(row.shown_by), f"{row.requirement} names {row.shown_by}"


def test_what_is_built_in_part_says_what_is_missing_and_the_others_do_not() -> None:
    for row in rows():
        assert (row.missing != "") == (row.state == "part"), row


def test_what_comes_later_claims_nothing() -> None:
    assert [row for row in rows() if row.state == "later" and row.shown_by] == []


def test_the_sums_at_the_top_are_those_of_the_table() -> None:
    counted = Counter(row.state for row in rows())
    text = STATUS.read_text(encoding="utf-8")
    assert (
        f"Of {len(IDS)} requirements {counted['built']} are built, {counted['part']} in part, "
        f"{counted['later']} come later." in text
    )


@pytest.mark.parametrize(
    "claim",
    [
        "",
        "``",
        "tests/test_house.py",
        "`tests/test_house.py`",
        "`tests/test_house.py::test_that_never_was`",
        "`tests/test_house.py::TestFacts`",
        "`tests/nowhere.py::test_x`",
        "`make money`",
        "`README.md`",
    ],
)
def test_a_claim_that_nothing_stands_behind_would_be_found(claim: str) -> None:
    assert not is_shown(claim)
