"""Asking a backend that is away for a while, or for good."""

from __future__ import annotations

import pytest

from backend.client import BackendRefused
from desktop import backend_poll
from desktop.backend_poll import ask_until_answered
from serving.errors import BackendError


class Backend:
    """Answers after it has raised each of `errors`."""

    def __init__(self, *errors: BackendError) -> None:
        self.errors = list(errors)

    async def ask(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def away() -> BackendError:
    return BackendError("No backend answers.", "Wait.")


async def test_a_backend_that_comes_back_is_asked_again() -> None:
    assert await ask_until_answered(Backend(away(), away()).ask, 0.0) == "done"


async def test_a_refusal_is_not_asked_again() -> None:
    backend = Backend(BackendRefused(404, "Unknown.", "Look again."), away())
    with pytest.raises(BackendRefused):
        await ask_until_answered(backend.ask, 0.0)
    assert len(backend.errors) == 1


async def test_one_that_stays_away_raises_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_poll, "MAX_AWAY_SECONDS", -1.0)
    backend = Backend(away(), away())
    with pytest.raises(BackendError, match="No backend answers"):
        await ask_until_answered(backend.ask, 0.0)
    assert len(backend.errors) == 1
