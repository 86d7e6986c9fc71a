"""Machines: whoever asks whatever, in whatever order, through the real command loop, and the promises that must hold."""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("books", "clerk", "history", "marketplace", "screens"))
)
