"""Why a code is not accepted, or not given (requirements OTP-03, OTP-04)."""

from domain.shared.errors import DomainError


class OtpInvalid(DomainError):
    """This is not the code: 400."""

    code = "OTP_INVALID"


class OtpExpired(DomainError):
    """There is no such code, or no longer; which of the two is not told: 400."""

    code = "OTP_EXPIRED"

    def __init__(self) -> None:
        """One sentence for all of it: never asked for, too late, used up, replaced."""
        super().__init__("This code is not valid any more. Ask for a new one.")


class OtpAttemptsExceeded(DomainError):
    """Too many wrong codes were shown, and the right one is good no more: 429."""

    code = "OTP_ATTEMPTS_EXCEEDED"

    def __init__(self) -> None:
        """A new code can be asked for at once, as far as the limit of requests lets it."""
        super().__init__("Too many wrong codes. Ask for a new one.")


class OtpRateLimited(DomainError):
    """Too many codes were asked for, for one destination or from one address: 429."""

    code = "OTP_RATE_LIMITED"

    def __init__(self, retry_after_seconds: int) -> None:
        """The next code can be asked for in `retry_after_seconds` (at least 1)."""
        super().__init__(f"Too many codes were asked for. Try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds
