import asyncio
import errno
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from serving.errors import EngineError
from serving.fleet.plan import FAILURE_MEMORY_SECONDS
from serving.fleet.record import (
    MAX_CORES,
    MAX_MEMORY,
    FleetRecord,
    InstanceLimits,
    RecordFile,
)


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "fleet" / "pets.json")
    assert not file.exists()
    assert file.read() == FleetRecord(desired_count=0)
    await file.change(
        lambda record: replace(record, desired_count=3, retiring=("a",), failures=(1.5,))
    )
    assert file.exists()
    assert file.read() == FleetRecord(3, ("a",), (1.5,))


@pytest.mark.parametrize("runtime", ["", "tensorflow", "openvino"])
async def test_a_runtime_is_kept_and_what_is_none_stands_for_none(
    tmp_path: Path, runtime: str
) -> None:
    file = RecordFile(tmp_path / "pets.json")
    await file.change(lambda record: replace(record, limits=InstanceLimits(runtime=runtime)))
    assert file.read().limits.runtime == runtime
    raw = json.loads(file.path.read_text())
    raw["limits"]["runtime"] = "abacus"
    file.path.write_text(json.dumps(raw))
    assert file.read().limits.runtime == ""


async def test_a_desired_count_of_zero_is_described(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "pets.json")
    await file.change(lambda record: replace(record, desired_count=0))
    assert file.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"wanted": "many"}', '{"wanted": -1}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pets.json"
    path.write_text(text)
    assert RecordFile(path).read() == FleetRecord()


def test_only_late_failures_are_remembered() -> None:
    record = FleetRecord(failures=(0.0, FAILURE_MEMORY_SECONDS))
    after = record.after_failure(FAILURE_MEMORY_SECONDS + 1)
    assert after.failures == (FAILURE_MEMORY_SECONDS, FAILURE_MEMORY_SECONDS + 1)


async def test_changes_at_once_do_not_undo_each_other(tmp_path: Path) -> None:
    path = tmp_path / "pets.json"

    async def add() -> None:
        for _ in range(5):
            await RecordFile(path).change(
                lambda record: replace(record, desired_count=record.desired_count + 1)
            )

    await asyncio.gather(*(add() for _ in range(4)))
    assert json.loads(path.read_text())["wanted"] == 20


async def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("serving.fleet.record.write_aside", full)
    with pytest.raises(EngineError, match=r"pets\.json cannot be written: the disk is full"):
        await RecordFile(tmp_path / "pets.json").change(
            lambda record: replace(record, desired_count=1)
        )


def test_limits_beyond_every_machine_are_the_most_that_an_engine_understands() -> None:
    beyond = {"memory_limit": 10**40, "cpu_limit": float("inf")}
    assert InstanceLimits.of(beyond) == InstanceLimits(memory_limit=MAX_MEMORY, cpu_limit=MAX_CORES)
    assert InstanceLimits.of({"cpu_limit": float("nan")}) == InstanceLimits()


def test_a_record_with_an_endless_limit_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "pets.json"
    path.write_text('{"wanted": 2, "limits": {"memory_limit": Infinity}}')
    assert RecordFile(path).read() == FleetRecord()


VERSION_BEFORE = """{
  "wanted": 2,
  "retiring": [
    "pets-0a1b2c"
  ],
  "failures": [
    1732600000.5
  ],
  "limits": {
    "threads": 2,
    "memory_limit": 1000000000,
    "cpu_limit": 0.5,
    "image": "own:1"
  }
}
"""


async def test_a_record_of_the_version_before_is_read_and_written_alike(tmp_path: Path) -> None:
    path = tmp_path / "pets.json"
    path.write_text(VERSION_BEFORE)
    record = RecordFile(path).read()
    limits = InstanceLimits(threads=2, memory_limit=10**9, cpu_limit=0.5, image="own:1")
    assert record == FleetRecord(2, ("pets-0a1b2c",), (1732600000.5,), limits)
    path.unlink()
    await RecordFile(path).change(lambda _: record)
    assert path.read_text() == VERSION_BEFORE


async def test_the_newest_record_of_the_version_before_counts_until_there_is_one_for_the_fleet(
    tmp_path: Path,
) -> None:
    for name, count, changed in (("pets", 2, 20), ("birds", 3, 10), ("other", 4, 0)):
        path = tmp_path / f"{name}.json"
        path.write_text(f'{{"wanted": {count}}}')
        os.utime(path, (changed, changed))
    file = RecordFile(tmp_path / "fleet.json")
    assert file.exists()
    assert file.read().desired_count == 2
    await file.change(lambda record: replace(record, retiring=("a",)))
    assert file.read() == FleetRecord(2, ("a",))
    (tmp_path / "birds.json").write_text('{"wanted": 5}')
    assert file.read().desired_count == 2


async def test_how_soon_instances_sleep_is_kept_and_the_default_is_not_written(
    tmp_path: Path,
) -> None:
    file = RecordFile(tmp_path / "pets.json")
    await file.change(lambda record: replace(record, desired_count=1))
    assert "sleep_after" not in json.loads(file.path.read_text())["limits"]
    for seconds in (0, 90):
        limits = InstanceLimits(sleep_after=seconds)
        await file.change(partial(replace, limits=limits))
        assert RecordFile(file.path).read().limits == limits


async def test_attached_servers_are_kept_and_none_are_not_written(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "fleet.json")
    await file.change(lambda record: replace(record, desired_count=1))
    assert "attached" not in json.loads(file.path.read_text())
    await file.change(lambda record: replace(record, attached=("10.0.0.5:8500",)))
    assert RecordFile(file.path).read() == FleetRecord(1, attached=("10.0.0.5:8500",))
