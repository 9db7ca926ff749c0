"""A test that fails and then hangs in its second run ends, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEST = """
import time
import pytest

runs = []

@pytest.fixture
def slow():
    if len(runs) == 1 and {where!r} == "fixture":
        time.sleep(600)

@pytest.mark.timeout(1)
def test_it(slow):
    runs.append(1)
    if len(runs) == 2:
        time.sleep(600)
    {first}

def test_another():
    pass
"""


@pytest.mark.parametrize("where", ["test", "fixture"])
@pytest.mark.parametrize("first", ["assert False", "time.sleep(600)"])
def test_the_second_run_of_a_test_is_limited(tmp_path: Path, first: str, where: str) -> None:
    (tmp_path / "test_hangs.py").write_text(TEST.format(first=first, where=where))
    options = ["-q", "--reruns", "1", "-p", "tests.support.rerun_timeout", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", "--rootdir", ".", "."],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    ends = "1 failed, 1 passed" if where == "test" else "1 passed, 1 error"
    assert f"{ends}, 1 rerun" in done.stdout
    assert "Timeout (>1.0s)" in done.stdout
