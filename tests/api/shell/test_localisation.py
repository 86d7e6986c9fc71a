"""What people read of an answer is in their language; what programs read is the same in all."""

import ast
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

import api
import api.controllers
from api.errors import STATUSES, Failure, localised, status_of
from api.localisation.catalogue import Catalogue, Notice
from api.localisation.languages import CATALOGUES, HEADER_MAXIMUM, catalogue_for, preferred
from api.localisation.ru import RUSSIAN
from api.localisation.uz import UZBEK
from application.shared.command import Unavailable
from domain.shared.errors import DomainError, Problem
from tests.api.shell.office import Window, office

BASE: Final = "/api/v1/offices"
ROOT: Final = Path(str(api.__file__)).parents[1]
OURS: Final = ("api", "application", "domain", "infrastructure", "projections")


def refusals(kind: type[Any]) -> Iterator[type[Any]]:
    for refusal in kind.__subclasses__():
        if refusal.__module__.split(".")[0] in OURS:
            yield refusal
            yield from refusals(refusal)


CODES: Final = sorted(
    {*STATUSES, *(each.code for kind in (DomainError, Unavailable) for each in (kind, *refusals(kind)))}
)


def calls_in(room: str) -> Iterator[ast.Call]:
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node


def texts_in(node: ast.expr) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def rules_in_source() -> set[str]:
    """The rules that are written where a field is found wrong; `Problem`'s third argument, or whatever leads to it."""
    found = {"min_length", "max_length", "min_items", "max_items"}  # Put together from two halves.
    for call in (each for room in ("api", "application", "domain", "projections") for each in calls_in(room)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == "Problem" or (name == "_invalid" and len(call.args) == 3):
            found |= texts_in(call.args[2])
        elif name == "ReasonInvalid":
            found |= texts_in(call.args[1])
        for keyword in call.keywords:
            if keyword.arg == "rule":
                found |= texts_in(keyword.value)
    return found | {"minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "text"}


RULES: Final = sorted(rules_in_source())


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


@pytest.mark.parametrize("catalogue", [UZBEK, RUSSIAN], ids=lambda each: str(each.language))
class TestCatalogues:
    def test_the_search_for_codes_and_rules_finds_them(self, catalogue: Catalogue) -> None:
        assert {"CART_FULL", "NO_TOKEN", "OVERLOADED", "UPSTREAM_TIMEOUT"} <= set(CODES)
        assert {"required", "greater_than_price", "no_nul", "cursor", "characters"} <= set(RULES)
        assert len(catalogue.codes) >= len(STATUSES)

    @pytest.mark.parametrize("code", CODES)
    def test_each_code_has_a_sentence(self, catalogue: Catalogue, code: str) -> None:
        sentence = catalogue.codes[code]
        assert sentence.strip() == sentence
        assert sentence.endswith(".")

    @pytest.mark.parametrize("rule", RULES)
    def test_each_rule_has_a_sentence(self, catalogue: Catalogue, rule: str) -> None:
        assert catalogue.rules[rule].endswith(".")

    def test_each_status_of_an_error_has_a_name(self, catalogue: Catalogue) -> None:
        used = {*STATUSES.values(), *(status_of(each) for each in refusals(DomainError))}
        assert used <= set(catalogue.titles)

    def test_each_notice_is_said(self, catalogue: Catalogue) -> None:
        assert set(catalogue.notices) == set(Notice)

    def test_nothing_is_left_over_or_said_in_another_script(self, catalogue: Catalogue) -> None:
        sentences = [*catalogue.codes.values(), *catalogue.rules.values(), *catalogue.titles.values()]
        cyrillic = [any("а" <= letter.lower() <= "ё" for letter in each) for each in sentences]
        assert all(cyrillic) if catalogue is RUSSIAN else not any(cyrillic)
        # Uzbek letters are written with U+02BB and U+02BC, not with quotation marks.
        assert not any(mark in each for each in sentences for mark in "'`‘’")
        assert set(catalogue.codes) <= {*CODES, "DEAD_LETTER_NOT_FOUND"}
        assert set(catalogue.rules) <= set(RULES)


class TestChoosing:
    @pytest.mark.parametrize(
        ("accepted", "language"),
        [
            (b"uz", "uz"),
            (b"RU", "ru"),
            (b"en", "en"),
            (b"ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
            (b"uz-Latn-UZ, ru;q=0.9", "uz"),
            (b"en;q=0.4, uz;q=0.6, ru;q=0.5", "uz"),
            (b"fr, de;q=0.9, ru;q=0.1", "ru"),
            (b"ru, uz", "ru"),
            (b"uz, ru", "uz"),
            (b"fr", "en"),
            (b"", "en"),
            (b"*", "en"),
            (b"uz;q=0.5, *", "en"),
            (b"en;q=0, *;q=0.5", "uz"),
            (b"uz;q=0", "en"),
            (b"uz;q=0, ru;q=0.001", "ru"),
            (b"uz;q=0.000, *;q=0", "en"),
            (b" uz ; q = 1.000 ", "uz"),
        ],
    )
    def test_the_best_accepted_language_that_we_have_is_taken(self, accepted: bytes, language: str) -> None:
        assert preferred(accepted) == language

    @pytest.mark.parametrize(
        "accepted",
        [
            b"uz;q=2",
            b"uz;q=1.1",
            b"uz;q=-1",
            b"uz;q=nan",
            b"uz;q=inf",
            b"uz;q=",
            b"uz;q",
            b"uz;level=1",
            b"uz;q=1;q=1",
            b"uz;q=0.\xb2",
            b"uz;q=0.12345",
            b"uzbek",
            b"\xff\xfe\x00",
            b";;;,,,===",
        ],
    )
    def test_what_cannot_be_read_is_passed_over(self, accepted: bytes) -> None:
        assert preferred(accepted) == "en"
        assert preferred(accepted + b", ru;q=0.1") == "ru"

    def test_without_a_wish_it_is_english(self) -> None:
        assert catalogue_for({}).language == "en"

    def test_an_endless_header_is_read_to_a_sane_length(self) -> None:
        assert catalogue_for({b"accept-language": b"x," * HEADER_MAXIMUM + b"uz"}).language == "en"
        assert catalogue_for({b"accept-language": b"uz," + b"x," * 100_000}).language == "uz"


class TestAnswers:
    @pytest.mark.parametrize("language", list(CATALOGUES))
    async def test_an_error_is_told_in_the_language_that_is_asked_for(
        self, window: Window, language: str
    ) -> None:
        answer = await window.client.get(f"{BASE}/me", headers={"Accept-Language": f"{language};q=0.8"})
        english = await window.client.get(f"{BASE}/me")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (401, "NO_TOKEN")
        assert answer.headers["content-language"] == language
        assert "Accept-Language" in answer.headers["vary"]
        assert english.headers["content-language"] == "en"
        expected = CATALOGUES[language].codes.get("NO_TOKEN", english.json()["error"]["message"])
        assert error["message"] == expected

    async def test_a_language_that_nobody_here_speaks_is_answered_in_english(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/me", headers={"Accept-Language": "fr-FR"})
        assert answer.headers["content-language"] == "en"
        assert answer.json()["error"]["message"] == "Sign in first: this needs an access token."

    async def test_so_is_every_wrong_field(self, window: Window) -> None:
        wrong = await window.client.post(BASE, json={"seats": "many"}, headers={"Accept-Language": "ru"})
        details = {each["field"]: each for each in wrong.json()["error"]["details"]}
        assert wrong.json()["error"]["message"] == RUSSIAN.codes["VALIDATION_ERROR"]
        assert details["officeName"]["message"] == RUSSIAN.rules["required"]
        assert details["officeName"]["rule"] == "required"
        assert details["seats"] == {"field": "seats", "message": RUSSIAN.rules["type"], "rule": "type"}

    async def test_so_are_problem_details(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/list",
            params={"limit": 0},
            headers={"Accept": "application/problem+json", "Accept-Language": "uz"},
        )
        problem = answer.json()
        assert answer.headers["content-language"] == "uz"
        assert problem["title"] == UZBEK.titles[400]
        assert problem["detail"] == UZBEK.codes["VALIDATION_ERROR"]
        assert problem["errors"] == [
            {"pointer": "#/limit", "detail": UZBEK.rules["minimum"], "code": "minimum"}
        ]

    async def test_so_is_what_is_refused_before_any_route(self, window: Window) -> None:
        answer = await window.client.get("/api/v1/%FF", headers={"Accept-Language": "uz"})
        assert answer.headers["content-language"] == "uz"
        assert answer.json()["error"]["message"] == UZBEK.codes["VALIDATION_ERROR"]
        assert answer.json()["error"]["details"] == [
            {"field": "path", "message": UZBEK.rules["text"], "rule": "text"}
        ]

    async def test_a_bug_is_excused_in_it_and_logged_in_english(
        self, window: Window, capsys: pytest.CaptureFixture[str]
    ) -> None:
        headers = {"Accept-Language": "ru"}
        answer = await window.client.get(f"{BASE}/bug", headers=headers)
        assert answer.json()["error"]["message"] == RUSSIAN.codes["INTERNAL_ERROR"]
        logged = capsys.readouterr().out
        assert "request_failed" in logged
        assert RUSSIAN.codes["INTERNAL_ERROR"] not in logged

    async def test_an_answer_that_is_no_error_has_no_language(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers={"Accept-Language": "ru"})
        assert "content-language" not in answer.headers


class TestWhatIsNotInTheCatalogue:
    def test_an_unknown_code_is_told_by_its_status_and_an_unknown_rule_as_a_wrong_value(self) -> None:
        failure = Failure(
            status=HTTPStatus.CONFLICT,
            code="BRAND_NEW",
            message="In English.",
            details={"left": 2},
            problems=(Problem("x", "In English.", "brand_new"),),
        )
        told = localised(failure, RUSSIAN)
        assert (told.code, told.message, told.details) == ("BRAND_NEW", "Конфликт.", {"left": 2})
        assert told.problems[0].message == RUSSIAN.rules["invalid"]
