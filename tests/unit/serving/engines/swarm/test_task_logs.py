"""The log of a task is asked for again while its node does not offer it yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from serving.engines.swarm import task_logs
from serving.errors import EngineError

LINE = b"\x01\x00\x00\x00\x00\x00\x00\x06ready\n"
"""As the engine frames what a task prints."""


def engine(*answers: tuple[int, bytes]) -> tuple[Any, list[str]]:
    """Return an engine that gives these answers one after the other, and what it was asked."""
    asked: list[str] = []

    def get(url: str, **_: object) -> object:
        status, content = answers[min(len(asked), len(answers) - 1)]
        asked.append(url)
        return SimpleNamespace(
            status_code=status, content=content, json=lambda: {"message": content.decode()}
        )

    client = SimpleNamespace(base_url="http://engine", api_version="1.44", timeout=1, get=get)
    return SimpleNamespace(client=client), asked


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_logs, "_POLL_SECONDS", 0.0)


def test_a_node_that_does_not_offer_it_yet_is_asked_again() -> None:
    found, asked = engine((500, b"node is not available"), (200, LINE))
    assert task_logs.read_log(found, "abc", 10) == "ready"
    assert asked == ["http://engine/v1.44/tasks/abc/logs"] * 2


def test_a_node_that_never_offers_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_logs, "RETRY_SECONDS", 0.0)
    found, _ = engine((500, b"node is not available"))
    with pytest.raises(EngineError, match="could not read the log: node is not available"):
        task_logs.read_log(found, "abc", 10)


def test_a_wrong_request_is_not_repeated() -> None:
    found, asked = engine((404, b"no such task"))
    with pytest.raises(EngineError, match="no such task"):
        task_logs.read_log(found, "abc", 10)
    assert len(asked) == 1
