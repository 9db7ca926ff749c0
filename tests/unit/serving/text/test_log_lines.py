"""A record of a log is one line, whatever is in it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from serving.text.log_lines import LogHandler, LogLines, last_line_sentence, print_line
from tests.support.hostile_names import NAMES
from tests.support.small_disk import small_disk


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    trace = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, message, args, trace)
    return LogLines("%(levelname)s %(message)s").format(record)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_record_forges_no_record(name: str) -> None:
    logged = line("Loaded %s", NAMES[name])
    assert logged.startswith("INFO Loaded ")
    assert len(logged.splitlines()) == 1
    assert "\x1b" not in logged


def test_a_traceback_stays_on_the_line_of_its_record() -> None:
    try:
        raise ValueError("otter\nFAKE 2026 INFO")
    except ValueError as error:
        logged = line("Failed", error=error)
    assert len(logged.splitlines()) == 1
    assert r"ValueError: otter\nFAKE 2026 INFO" in logged
    assert "test_log_lines.py" in logged


def test_a_stack_stays_on_the_line_of_its_record() -> None:
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, "m", (), None, sinfo="Stack:\n  x")
    assert LogLines("%(message)s").format(record) == r"m\nStack:\n  x"


def test_a_name_that_cannot_be_encoded_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("caf\udce9.jpg\nFAKE")
    assert capsys.readouterr().err == "caf\\xe9.jpg\\nFAKE\n"


def test_an_error_that_nobody_caught_is_one_line() -> None:

    source = (
        "import threading, warnings\n"
        "from serving.text.log_lines import log_lines\n"
        "log_lines('%(levelname)s %(message)s')\n"
        "warnings.warn('otter\\nFAKE')\n"
        "def fail(): raise ValueError('otter\\nFAKE')\n"
        "thread = threading.Thread(target=fail)\n"
        "thread.start()\n"
        "thread.join()\n"
        "fail()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert [each.split()[0] for each in lines] == ["WARNING", "CRITICAL", "CRITICAL"]


def test_a_request_that_is_answered_is_no_record() -> None:
    """A window asks each instance for its metrics every second, for days."""
    source = (
        "import logging, httpx\n"
        "from serving.text.log_lines import log_lines\n"
        "log_lines('%(levelname)s %(name)s')\n"
        "answer = httpx.MockTransport(lambda request: httpx.Response(200))\n"
        "httpx.Client(transport=answer).get('http://localhost/metrics')\n"
        "logging.getLogger('httpx').warning('')\n"
    )
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert result.stderr.splitlines() == ["WARNING httpx"]


def test_what_a_full_disk_refuses_ends_no_program_and_leaves_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk, (disk.folder / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        disk.fill()
        print_line("listens")
        record = logging.LogRecord("a", logging.INFO, "a.py", 1, "a label", (), None)
        LogHandler("%(message)s").handle(record)
        disk.make_room()
        print_line("goes on")
        written = (disk.folder / "log").read_text()
    assert written.endswith("goes on\n")
    assert not set(written.split("\n")) - {"listens", "a label", "goes on", ""}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("loading\n", " The last line of its log: loading"),
        (
            "CRITICAL It ends: no thread\\nTraceback (most recent call last):\\n  File",
            " The last line of its log: CRITICAL It ends: no thread",
        ),
        ("", ""),
        (" \n", ""),
    ],
)
def test_last_log_line_is_shown_without_its_traceback(line: str, sentence: str) -> None:
    assert last_line_sentence(line) == sentence
