"""The words of each mail."""

from datetime import date
from typing import Any

import jinja2
import pytest

from application.notifications.ports import Template
from domain.shared.money import Money
from domain.shared.personal import ERASED, ERASED_ADDRESS
from infrastructure.mail.rendering import JinjaRenderer, UnknownTemplate
from infrastructure.settings import Settings
from tests.infrastructure.messaging.makers import placed

SETTINGS = Settings.from_environment(
    {
        "APP_ENV": "test",
        "APP_URL": "https://api.bazaar.example",
        "FRONTEND_URL": "https://bazaar.example",
        "SUPPORT_EMAIL": "help@bazaar.example",
        "COMPANY_NAME": "Chorsu & Sons",
    }
)
RENDERER = JinjaRenderer(SETTINGS.mail, SETTINGS.http)
ORDER = placed()

VARIABLES: dict[Template, dict[str, Any]] = {
    Template.WELCOME: {"name": "Jo", "email": "jo@example.com", "role": "customer"},
    Template.ORDER_CONFIRMATION: {
        "name": "Jo",
        "orderNumber": "ORD-20260501-00001",
        "items": ORDER.items,
        "subtotal": ORDER.subtotal,
        "tax": ORDER.tax,
        "shipping": ORDER.shipping,
        "discount": ORDER.discount,
        "total": Money(123_456_700, "uzs"),
        "address": ORDER.shipping_address,
    },
    Template.ORDER_SHIPPED: {
        "name": "Jo",
        "orderNumber": "ORD-20260501-00001",
        "trackingNumber": "UZ123",
        "trackingUrl": "https://track.example.com/?a=1&b=2",
        "estimatedDelivery": date(2026, 5, 9),
    },
    Template.PASSWORD_RESET: {
        "name": "Jo",
        "resetUrl": "https://bazaar.example/reset-password?token=abc",
        "minutes": 10,
    },
    Template.SELLER_APPROVED: {"name": "Jo", "email": "jo@example.com"},
    Template.SELLER_REJECTED: {"name": "Jo", "email": "jo@example.com", "reason": "No licence"},
    Template.ONE_TIME_CODE: {"code": "481516", "minutes": 5, "purpose": "reset"},
    Template.EMAIL_VERIFICATION: {
        "name": "Jo",
        "verificationUrl": "https://bazaar.example/verify-email?token=abc",
        "hours": 24,
    },
}

SAYS: dict[Template, tuple[str, tuple[str, ...]]] = {
    Template.WELCOME: ("Welcome to Chorsu & Sons", ("jo@example.com", "customer")),
    Template.ORDER_CONFIRMATION: (
        "Order ORD-20260501-00001 is confirmed",
        ("Amir Temur 1", "100000 Tashkent", "12.50 USD", "25.00 USD", "1,234,567.00 UZS"),
    ),
    Template.ORDER_SHIPPED: ("Order ORD-20260501-00001 is on its way", ("UZ123", "9 May 2026")),
    Template.PASSWORD_RESET: (
        "Choose a new password",
        ("https://bazaar.example/reset-password?token=abc", "10 minutes"),
    ),
    Template.SELLER_APPROVED: (
        "Your seller account is approved",
        ("https://bazaar.example/dashboard/seller",),
    ),
    Template.SELLER_REJECTED: (
        "Your seller application was not accepted",
        ("No licence", "help@bazaar.example"),
    ),
    Template.ONE_TIME_CODE: (
        "Your code for Chorsu & Sons",
        ("481516", "5 minutes", "choose a new password"),
    ),
    Template.EMAIL_VERIFICATION: (
        "Confirm your email address",
        ("https://bazaar.example/verify-email?token=abc", "24 hours"),
    ),
}


@pytest.mark.parametrize("template", Template)
class TestEveryTemplate:
    def test_says_what_it_is_for_in_text_and_in_html(self, template: Template) -> None:
        words = RENDERER.render(template, VARIABLES[template])
        subject, said = SAYS[template]
        assert words.subject == subject
        for each in said:
            assert each in words.text
            assert each in words.html

    def test_names_the_shop_and_where_to_ask(self, template: Template) -> None:
        words = RENDERER.render(template, VARIABLES[template])
        for each in ("https://api.bazaar.example", "help@bazaar.example"):
            assert each in words.text
            assert each in words.html
        assert "Chorsu & Sons" in words.text
        assert "Chorsu &amp; Sons" in words.html
        assert "Chorsu & Sons" not in words.html

    def test_lacks_no_variable_without_being_noticed(self, template: Template) -> None:
        for name in VARIABLES[template].keys() - {"email", "name"}:
            fewer = {key: value for key, value in VARIABLES[template].items() if key != name}
            with pytest.raises(jinja2.UndefinedError):
                RENDERER.render(template, fewer)

    def test_lets_no_variable_write_html_or_lines_of_its_own(self, template: Template) -> None:
        nasty = "<script>alert(1)</script>\r\nBcc: x@example.com"
        variables = {
            name: nasty if isinstance(value, str) else value for name, value in VARIABLES[template].items()
        }
        words = RENDERER.render(template, variables)
        assert "<script" not in words.html
        assert "\nBcc" not in words.text
        assert "\n" not in words.subject
        assert "\r" not in words.subject


SPOKEN = (Template.PASSWORD_RESET, Template.EMAIL_VERIFICATION, Template.ONE_TIME_CODE)
"""Mails that are written in all languages of the house."""

FACTS = {
    Template.PASSWORD_RESET: ("https://bazaar.example/reset-password?token=abc", "10", "Jo"),
    Template.EMAIL_VERIFICATION: ("https://bazaar.example/verify-email?token=abc", "24", "Jo"),
    Template.ONE_TIME_CODE: ("481516", "5"),
}


@pytest.mark.parametrize("template", SPOKEN)
@pytest.mark.parametrize(
    ("language", "greeting", "question"),
    [("uz", "Assalomu alaykum", "Savollaringiz"), ("ru", "Здравствуйте", "Есть вопросы?")],
)
class TestLanguages:
    def test_says_the_same_as_in_english(
        self, template: Template, language: str, greeting: str, question: str
    ) -> None:
        words = RENDERER.render(template, VARIABLES[template], language=language)
        for each in (greeting, question, "help@bazaar.example", *FACTS[template]):
            assert each in words.text
            assert each in words.html
        assert f'<html lang="{language}">' in words.html
        assert not any(english in words.text for english in ("Hello", "Questions", "If it was not you"))
        assert words.subject != SAYS[template][0]
        assert "Subject" not in words.text

    def test_lets_no_variable_write_html_or_lines_of_its_own(
        self, template: Template, language: str, greeting: str, question: str
    ) -> None:
        nasty = "<script>alert(1)</script>\r\nBcc: x@example.com"
        variables = {
            name: nasty if isinstance(value, str) else value for name, value in VARIABLES[template].items()
        }
        words = RENDERER.render(template, variables, language=language)
        assert "<script" not in words.html
        assert "\nBcc" not in words.text + words.subject


class TestWords:
    @pytest.mark.parametrize("language", [None, "en", "fr", "../ru"])
    def test_a_language_that_is_not_ours_is_english(self, language: str | None) -> None:
        variables = VARIABLES[Template.PASSWORD_RESET]
        words = RENDERER.render(Template.PASSWORD_RESET, variables, language=language)
        assert words.subject == "Choose a new password"

    def test_a_link_that_is_no_web_address_is_left_out(self) -> None:
        variables = VARIABLES[Template.ORDER_SHIPPED] | {"trackingUrl": "javascript:alert(1)"}
        words = RENDERER.render(Template.ORDER_SHIPPED, variables)
        assert "javascript" not in words.html + words.text

    def test_what_is_not_known_is_not_mentioned(self) -> None:
        nothing = dict.fromkeys(("name", "trackingNumber", "trackingUrl", "estimatedDelivery"))
        words = RENDERER.render(Template.ORDER_SHIPPED, {"orderNumber": "ORD-1"} | nothing)
        assert "None" not in words.text + words.html
        assert words.text.startswith("Hello,\n")

    def test_what_was_erased_is_not_shown(self) -> None:
        variables = VARIABLES[Template.ORDER_CONFIRMATION] | {"name": ERASED, "address": ERASED_ADDRESS}
        words = RENDERER.render(Template.ORDER_CONFIRMATION, variables)
        assert ERASED not in words.text + words.html
        assert "It goes to" not in words.text + words.html

    def test_an_unknown_template_is_an_error(self) -> None:
        with pytest.raises(UnknownTemplate):
            RENDERER.render("birthday", {})  # type: ignore[arg-type]
