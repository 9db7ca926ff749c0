"""OpenVINO in a process: what ended one, what it sends, and how much memory it may take."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.model_server.conftest import ROOT
from tests.integration.model_server.openvino_env import TIMEOUT_SECONDS, need_openvino


def output_of(program: str, home: Path) -> str:
    """What a program prints in a process of its own; skips where OpenVINO is not installed."""
    need_openvino()
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    ).stdout


CRASHING = """
import ctypes, logging, sys
from pathlib import Path
from serving.model_server import openvino_runtime
from serving.model_server.loader import Loader

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
openvino_runtime.CompiledNetwork.__init__ = lambda self, *arguments: ctypes.string_at(0)
Loader(runtime="auto").load("tiny", 1, Path(sys.argv[1]))
"""


def test_what_ended_a_process_is_not_tried_by_the_next_within_an_hour(
    tiny: Path, tmp_path: Path
) -> None:
    need_openvino()

    def load() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CRASHING, str(tiny)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )

    assert load().returncode == -signal.SIGSEGV
    second = load()
    assert second.returncode == 0, second.stderr
    assert "on TensorFlow alone: OpenVINO did not take it: OpenVINO ended a proc" in second.stdout
    (record,) = tmp_path.glob("servery-openvino-crash-*")
    os.utime(record, (0, 0))
    assert load().returncode == -signal.SIGSEGV
    # What another user wrote there counts for nothing.
    with contextlib.suppress(PermissionError):
        for each in tmp_path.glob("servery-openvino-crash-*"):
            os.chown(each, 65534, 65534)
        assert load().returncode == -signal.SIGSEGV


def test_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from serving.model_server import openvino_runtime\n"
        "openvino_runtime._core()\n"
        "print([name for name in sys.modules if 'telemetry' in name])\n"
    )
    assert output_of(program, tmp_path) == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_with_a_memory_limit_openvino_is_used_only_on_request(tmp_path: Path) -> None:
    program = (
        "import resource\n"
        "from serving.model_server.flags import Flags\n"
        "from serving.model_server.server import _runtime\n"
        "print(_runtime(Flags()))\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 33, 1 << 33))\n"
        "print(_runtime(Flags()), _runtime(Flags(runtime='openvino')))\n"
    )
    assert output_of(program, tmp_path) == "auto\ntensorflow openvino\n"
