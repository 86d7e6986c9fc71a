"""Fills in the mail templates: `templates/<name>.txt`, whose first line is the subject, and `templates/<name>.html`.

Those are in English. What lies under the same name in `templates/uz` or `templates/ru` is in that language.
"""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

import jinja2

from application.notifications.ports import Template, Words
from domain.shared.money import Money
from domain.shared.personal import ERASED
from infrastructure.settings import HttpSettings, MailSettings

SUBJECT: Final = "Subject: "
LONGEST_SUBJECT: Final = 200
ENGLISH: Final = "en"

_FOLDERS: Final = {ENGLISH: "", "uz": "uz/", "ru": "ru/"}


class UnknownTemplate(LookupError):
    """There is no such template, or it is not whole: a bug, found when the program starts."""


class JinjaRenderer:
    """Implements `application.notifications.ports.Renderer`. All templates are loaded and compiled at once.

    In HTML every variable is escaped. A variable that a template needs and does not get is an error.
    """

    def __init__(self, mail: MailSettings, http: HttpSettings) -> None:
        """The settings give what every template knows: `appUrl`, `frontendUrl`, `supportEmail`, `companyName`.

        Raises:
            UnknownTemplate: a template is missing from the package.
        """
        self._templates = _compiled(
            app_url=http.app_url,
            frontend_url=http.frontend_url,
            support_email=mail.support_email,
            company_name=mail.company_name,
        )

    def render(
        self, template: Template, variables: Mapping[str, object], *, language: str | None = None
    ) -> Words:
        """See the port.

        Raises:
            UnknownTemplate: there is no such template.
        """
        found = self._templates.get((template, language or ENGLISH)) or self._templates.get(
            (template, ENGLISH)
        )
        if found is None:
            raise UnknownTemplate(f"There is no mail template {template!r}.")
        text, html = found
        subject, _, body = text.render(variables).partition("\n")
        return Words(
            subject=_line(subject.removeprefix(SUBJECT))[:LONGEST_SUBJECT],
            text=body.strip() + "\n",
            html=html.render(variables),
        )


def _money(amount: Money) -> str:
    return f"{amount.decimal():,f} {amount.currency.upper()}"


def _day(moment: date) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _line(text: object) -> str:
    """A text as one line, so that what somebody wrote cannot look like a part of the mail; nothing for what is erased."""
    shown = "" if text is None or text == ERASED else str(text)
    return " ".join("".join(c if c.isprintable() else " " for c in shown).split())


def _web_link(url: str | None) -> str:
    """The address if it is one of the web, else nothing: no mail of ours runs a script."""
    return url if url is not None and url.startswith(("https://", "http://")) else ""


@lru_cache(maxsize=8)
def _compiled(
    *, app_url: str, frontend_url: str, support_email: str, company_name: str
) -> Mapping[tuple[Template, str], tuple[jinja2.Template, jinja2.Template]]:
    """Every template as text and as HTML, by its language. It takes a fifth of a second: once a process is enough."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infrastructure.mail", "templates"),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"money": _money, "day": _day, "line": _line, "web_link": _web_link}
    environment.globals |= {
        "appUrl": app_url,
        "frontendUrl": frontend_url,
        "supportEmail": support_email,
        "companyName": company_name,
    }
    known = frozenset(environment.list_templates())
    try:
        return {
            (template, language): (
                environment.get_template(f"{folder}{template.value}.txt"),
                environment.get_template(f"{folder}{template.value}.html"),
            )
            for template in Template
            for language, folder in _FOLDERS.items()
            if language == ENGLISH or f"{folder}{template.value}.txt" in known
        }
    except jinja2.TemplateError as error:
        raise UnknownTemplate(f"A mail template cannot be used: {error}") from error
