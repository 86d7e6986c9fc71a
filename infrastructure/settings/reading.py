"""One reading of the environment, and what production asks of secrets."""

from collections.abc import Mapping
from typing import Final

from infrastructure.security.secrets import Secret, fresh_secret, is_well_known
from infrastructure.settings.environment import EnvironmentReader
from infrastructure.settings.groups import Environment
from infrastructure.settings.values import choice

SECRET_CHARACTERS_MINIMUM: Final = 32
"""The least length of a secret that we choose ourselves (TOK-16, CFG-04)."""

PREVIOUS: Final = "S_PREVIOUS"
"""How variables end that hold what another one held before: `JWT_SECRETS_PREVIOUS`."""


class Reading:
    """The variables, and how strict to be with them.

    Secrets are of two sorts. Those that we choose ourselves must be long and not to be guessed; those that
    others issue to us are as long as they are, and in production only must not be placeholders.
    """

    def __init__(self, env: EnvironmentReader, development_secrets: Mapping[str, str]) -> None:
        """`development_secrets` stand in, by the name of their variable, where production would refuse."""
        self.env = env
        self._development_secrets = development_secrets
        self.environment = env.read("APP_ENV", choice(Environment), Environment.DEVELOPMENT, "NODE_ENV")
        self.in_production = self.environment is Environment.PRODUCTION
        self._owners: dict[Secret, str] = {}

    def own_secret(self, name: str, *aliases: str) -> Secret:
        """A secret that we choose ourselves and cannot do without."""
        secret = self.env.secret(name, *aliases)
        if secret is None and self.in_production:
            self.env.refuse(name, "is missing")
            return Secret(fresh_secret())
        if secret is None:
            kept = self._development_secrets.get(name)
            source = (
                "a random one is used until the program ends"
                if kept is None
                else "the one for development is used"
            )
            self.env.warn(name, f"is not set: {source}")
            secret = Secret(kept or fresh_secret())
        self._judge_own(name, secret)
        return secret

    def optional_own_secret(self, name: str) -> Secret | None:
        """A secret that we choose ourselves, if we want it; in production it must be good."""
        secret = self.env.secret(name)
        if secret is not None and self.in_production:
            self._judge_own(name, secret)
        return secret

    def issued_secret(self, name: str, *aliases: str) -> Secret | None:
        """A secret that others have issued to us, if they have; in production it must not be a placeholder."""
        secret = self.env.secret(name, *aliases)
        if secret is not None:
            self.refuse_well_known(name, secret)
        return secret

    def previous_secrets(self, name: str) -> tuple[Secret, ...]:
        """Secrets that we chose before, as good as those of today."""
        secrets = self.env.secrets(name)
        for secret in secrets:
            self._judge_own(name, secret)
        return secrets

    def require_own(self, name: str, secret: Secret | None) -> None:
        """In production this secret must be there, and be good; elsewhere anything goes."""
        if not self.in_production:
            return
        if secret is None:
            self.env.refuse(name, "is missing")
        else:
            self._judge_own(name, secret)

    def refuse_well_known(self, name: str, secret: Secret) -> None:
        """In production a secret must not be one that anybody could guess."""
        if self.in_production and is_well_known(secret):
            self.env.refuse(name, "is a well-known default or a placeholder, or hardly varies")

    def complete(self, provider: str, wanted: bool, needed: Mapping[str, str | Secret | None]) -> bool:
        """Whether a payment provider is wanted and has all it needs; if not, production refuses."""
        if not wanted:
            return False
        missing = [name for name, value in needed.items() if value is None]
        for name in missing:
            if self.in_production:
                self.env.refuse(name, f"is missing, and PAYMENT_PROVIDERS names {provider}")
            else:
                self.env.warn(name, f"is not set, so {provider} is off")
        for name, value in needed.items():
            if isinstance(value, Secret):
                self.refuse_well_known(name, value)
        return not missing

    def require(self, reason: str, needed: Mapping[str, str | Secret | None]) -> None:
        """All of these must be set, because of `reason`."""
        for name, value in needed.items():
            if value is None:
                self.env.refuse(name, f"is missing, and {reason}")

    def _judge_own(self, name: str, secret: Secret) -> None:
        if len(secret.reveal()) < SECRET_CHARACTERS_MINIMUM:
            self.env.refuse(name, f"must have at least {SECRET_CHARACTERS_MINIMUM} characters")
        elif self.in_production:
            self.refuse_well_known(name, secret)
            self._refuse_shared(name, secret)
        elif is_well_known(secret):
            self.env.warn(name, "is a well-known default; production would refuse it")

    def _refuse_shared(self, name: str, secret: Secret) -> None:
        """One secret for two purposes is lost in both when it is lost in one; what came before is of the same purpose."""
        purpose = name.removesuffix(PREVIOUS)
        owner = self._owners.setdefault(secret, purpose)
        if owner != purpose:
            self.env.refuse(name, f"must differ from {owner}")
