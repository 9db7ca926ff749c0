"""A minute of everything going wrong, with a fixed seed; two if long tests are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.report import Report
from tests.chaos.run import run, small_disk


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("minutes", "pause"), [(1, (0.5, 2.0)), pytest.param(2, (1.0, 4.0), marks=pytest.mark.long)]
)
async def test_what_is_promised_holds_while_everything_goes_wrong(
    tmp_path: Path, minutes: int, pause: tuple[float, float]
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        report = Report(20, tmp_path / "events.txt")
        # With shorter pauses than a long run has, so that as much goes wrong in this time.
        await run(disk, report, minutes=minutes, instances=2, pause=pause)
    print(report)
    assert report.violations == [], report.events_file.read_text()
