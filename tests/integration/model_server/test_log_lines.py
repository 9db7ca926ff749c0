"""What real programs log of a name that holds a line break is one line a record."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.model_server.conftest import StartServer
from tests.support.waiting import TIMEOUT_SECONDS

FORGED = "2026-01-01 00:00:00,000 INFO all is well"
NAME = f"pets\n{FORGED}\x1b[2J\x9b2J"
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")


def test_a_model_of_such_a_name(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(
        f"--model_name={NAME}", f"--model_base_path={tmp_path / NAME}", wait=False
    )
    server.wait_for_log("all is well")
    lines = [line for line in server.log().split("\n") if "pets" in line or "all is" in line]
    assert [line for line in lines if not RECORD.match(line) or line.startswith(FORGED)] == []
    assert not {"\x1b", "\x9b"} & set(server.log())


@pytest.mark.parametrize(
    "command",
    [
        ("serving.model_server", f"--{NAME}=1"),
        ("serving.model_server", f"--model_config_file=/nowhere/{NAME}"),
        ("backend", "--port", "0", "--host", f"127.0.0.1\n{FORGED}\x1b"),
    ],
    ids=["an unknown flag", "a file that is missing", "an address"],
)
def test_what_ends_a_program(command: tuple[str, ...], tmp_path: Path) -> None:
    if command[0] == "backend":
        command = (*command, "--workspace", str(tmp_path / "workspace"))
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_SECONDS,
    )
    printed = result.stdout + result.stderr
    assert "all is well" in printed
    assert not any(line.startswith(FORGED) for line in printed.splitlines())
    assert not {"\x1b", "\x9b"} & set(printed)
