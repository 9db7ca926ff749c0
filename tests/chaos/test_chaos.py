"""Three minutes of everything going wrong, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.report import Report
from tests.chaos.run import run, small_disk


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_is_promised_holds_while_everything_goes_wrong(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        report = Report(20, tmp_path / "events.txt")
        await run(disk, report, minutes=3, instances=2)
    print(report)
    assert report.violations == [], report.events_file.read_text()
