"""What a test needs of the machine beyond what run.py installs."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_ALL = "SERVERY_REQUIRE_ALL"
"""Set where everything must be there, as .ci/run does under CI."""


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{reason}, and {REQUIRE_ALL} is set")
    pytest.skip(reason)


def need_programs(*names: str) -> None:
    """Skip the test if the machine lacks one of these programs, as `missing` does."""
    for name in names:
        if shutil.which(name) is None:
            missing(f"{name} is not installed")
