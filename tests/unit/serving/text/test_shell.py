"""A command that is copied from a sentence or a terminal means what it says."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from serving.text.shell import joined, quoted
from serving.text.visible import visible
from tests.support.hostile_names import NAMES
from tests.support.requirements import missing


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_the_very_word_and_runs_nothing(name: str) -> None:
    word = f"{NAMES[name][:2000]}'; echo $(id) `id` \\ \""
    shown = quoted(word)
    assert visible(shown) == shown
    try:
        result = subprocess.run(
            ["bash", "-c", f"printf %s {shown}"],
            capture_output=True,
            check=True,
            env={"LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        missing("bash is not installed")
    assert result.stdout.decode() == word


def test_ordinary_words_are_quoted_as_ever() -> None:
    assert joined(["servery", "models", "use", "my pets"]) == shlex.join(
        ["servery", "models", "use", "my pets"]
    )
