from __future__ import annotations

import asyncio
import errno
import logging
import os

import pytest

from desktop.notifications import Notice, Notifications
from serving.errors import EngineError


@pytest.fixture
def posted() -> list[Notice]:
    return []


@pytest.fixture
def notifications(posted: list[Notice]) -> Notifications:
    made = Notifications()
    made.posted.connect(posted.append)
    return made


def test_an_error_of_ours_says_its_own_words(
    notifications: Notifications, posted: list[Notice]
) -> None:
    notifications.error(EngineError("The engine is gone.", "Start it again."))
    assert (posted[0].what, posted[0].advice) == ("The engine is gone.", "Start it again.")
    assert posted[0].is_error


def test_a_defect_hides_its_traceback_behind_the_details(
    notifications: Notifications, posted: list[Notice], caplog: pytest.LogCaptureFixture
) -> None:
    try:
        os.environ["NO SUCH VARIABLE"]
    except KeyError as error:
        with caplog.at_level(logging.ERROR):
            notifications.error(error)
    assert "Traceback" in posted[0].details
    assert "KeyError" not in posted[0].text
    assert "KeyError" in caplog.text


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.EMFILE, "?"), "The system opens no more files and connections."),
        (
            RuntimeError("can't start new thread"),
            "The system starts no more processes and threads.",
        ),
        (PermissionError(errno.EACCES, "?", "/a"), "/a cannot be used: you may not write there."),
    ],
)
def test_what_the_system_refuses_is_no_defect(
    error: Exception, what: str, notifications: Notifications, posted: list[Notice],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with caplog.at_level(logging.ERROR):
        notifications.error(error)
    assert posted[0].what.startswith(what)
    assert posted[0].advice


def test_cancelling_is_no_failure(notifications: Notifications, posted: list[Notice]) -> None:
    notifications.error(asyncio.CancelledError())
    assert not posted


def test_info_is_posted_without_a_problem(
    notifications: Notifications, posted: list[Notice]
) -> None:
    notifications.info("Version 2 is live.")
    assert posted == [Notice("Version 2 is live.")]
