"""The benchmark of attacks knows a broken bound when it sees one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.benchmarks.attack import Attack
from tests.benchmarks.hostile import Row, attacks, row_text
from tests.benchmarks.hostile_caller import longest_wait


def row(*, peak: float = 500, wait: float = 0.1, exits: int = 0) -> Row:
    attack = Attack("a test", "backend", lambda target: None)
    return Row(attack, "200", 450, peak, 450, wait, 0, exits)


def test_every_attack_has_a_name_of_its_own() -> None:
    names = [attack.name for attack in attacks()]
    assert len(names) == len(set(names))
    assert {attack.at for attack in attacks()} == {"model server", "backend"}


@pytest.mark.parametrize(
    ("measured", "broken"),
    [
        (row(), []),
        (row(peak=1049), []),
        (row(peak=1051), ["memory"]),
        (row(wait=2.1), ["wait"]),
        (row(exits=1), ["exits"]),
    ],
)
def test_a_bound_that_is_broken_is_named(measured: Row, broken: list[str]) -> None:
    assert measured.broken == broken
    assert all(name in row_text(measured, markdown=True) for name in broken)


def test_the_longest_wait_is_of_calls_during_the_attack(tmp_path: Path) -> None:
    waits = tmp_path / "waits.txt"
    waits.write_text("10.0 19.0 ok\n20.0 20.5 ok\n21.0 22.5 failed\n")
    assert longest_wait(waits, since=20.0) == (1.5, 1)
    assert longest_wait(waits, since=19.0) == (9.0, 1)


def test_a_call_that_is_not_answered_yet_counts(tmp_path: Path) -> None:
    waits = tmp_path / "waits.txt"
    waits.write_text(f"{time.monotonic() - 5} ")
    wait, failed = longest_wait(waits, since=0)
    assert wait >= 5
    assert failed == 0
