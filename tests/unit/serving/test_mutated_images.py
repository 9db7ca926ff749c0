"""Files that are damaged at random: an answer or a named error each, soon, and in little memory.

`SERVERY_MUTATED_IMAGES=10000` tries so many instead of a few.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from serving.normalize_image import normalize_image
from tests.support.mutated_images import originals

PROGRAM = "tests.support.mutated_images"
ROOT = Path(__file__).resolve().parents[3]
COUNT = int(os.environ.get("SERVERY_MUTATED_IMAGES", "300"))
MAX_BYTES = 512 * 2**20
"""Of the process, whose originals have 4,000 pixels."""


def test_every_damaged_file_gets_an_answer_or_a_named_error() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", PROGRAM, "0", str(COUNT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(ran.stdout)
    assert result["faults"] == {}
    assert result["answered"] + result["named"] == COUNT
    assert result["answered"] > COUNT / 10
    assert result["named"] > COUNT / 10
    assert result["peak"] <= MAX_BYTES


def test_whole_originals_get_answers() -> None:
    assert len({normalize_image(data) for data in originals()}) == 10


def test_what_takes_too_long_is_found() -> None:
    endless = "m.MAX_SECONDS, m.read = 0.05, lambda data: all(True for _ in iter(int, 1))"
    ran = subprocess.run(
        [sys.executable, "-c", f"import {PROGRAM} as m; {endless}; m.main(0, 2)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(ran.stdout)["faults"]) == 2
