"""Moves are on disk before they are made, and undone after the end of the window as well."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from desktop.classify.move_records import MAX_RECORDS, MoveRecord, MoveRecords
from desktop.classify.sort_files import SortedFiles, move_back, sort_files
from serving.progress import no_report

KILLED_AT_THE_SECOND = """
import asyncio, os, signal, sys
from pathlib import Path
from desktop.classify import sort_files as module
from desktop.classify.move_records import MoveRecord
from serving.progress import no_report

moment, album, target, record = sys.argv[1], *map(Path, sys.argv[2:])
write, written = module._write, []

def killed(source, place, move):
    if len(written) == 1:
        if moment == "between":
            os.link(source, place)
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(place)
    write(source, place, move)

module._write = killed
classes = {photo: "otter" for photo in sorted(album.iterdir())}
moves = MoveRecord(record)
asyncio.run(module.sort_files(classes, target, no_report, module.SortedFiles(), moves=moves))
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_killed_move_is_undone(album: Path, tmp_path: Path, moment: str) -> None:
    target, records = tmp_path / "sorted", tmp_path / "moves"
    files = map(str, (album, target, records / "000001.jsonl"))
    ended = subprocess.run([sys.executable, "-c", KILLED_AT_THE_SECOND, moment, *files])
    assert ended.returncode == -signal.SIGKILL
    assert names(target / "otter") == ["a.jpg"] + ["b.jpg"] * (moment == "between")
    last = MoveRecords(records).last()
    assert last is not None
    record, moves = last
    assert [move.photo.name for move in moves] == names(target / "otter")
    done = SortedFiles()
    asyncio.run(move_back(record, no_report, done))
    assert len(done.copied) == len(moves)
    assert names(album) == ["a.jpg", "b.jpg", "c.jpg"]
    assert names(target) == []
    assert MoveRecords(records).last() is None


def test_the_newest_moves_are_undone_first(album: Path, tmp_path: Path) -> None:
    records = MoveRecords(tmp_path / "moves")
    for number in range(MAX_RECORDS + 2):
        (photo,) = [path for path in tmp_path.rglob("a.jpg") if path.is_file()]
        target = tmp_path / f"sorted {number}"
        classes = {photo: "otter"}
        record = records.begin()
        asyncio.run(sort_files(classes, target, no_report, SortedFiles(), moves=record))
    for number in reversed(range(2, MAX_RECORDS + 2)):
        assert (tmp_path / f"sorted {number}" / "otter" / "a.jpg").exists()
        last = records.last()
        assert last is not None
        asyncio.run(move_back(last[0], no_report, SortedFiles()))
    assert (tmp_path / "sorted 1" / "otter" / "a.jpg").exists()
    assert records.last() is None, "older ones are forgotten"


def test_a_record_that_is_cut_off_has_what_is_whole(album: Path, tmp_path: Path) -> None:
    path = tmp_path / "moves" / "000001.jsonl"
    odd = album / os.fsdecode(b"\xe9.jpg")
    (album / "c.jpg").rename(odd)
    record = MoveRecord(path)
    for photo in (odd, album / "b.jpg"):
        record.note(photo, photo.with_suffix(".moved"))
        photo.rename(photo.with_suffix(".moved"))
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(content[:-9])
    assert [move.photo for move in record.moves()] == [odd]


async def test_nothing_is_moved_that_could_not_be_moved_back(album: Path, tmp_path: Path) -> None:
    (tmp_path / "moves").write_text("a file in the place of the folder")
    record = MoveRecords(tmp_path / "moves").begin()
    done = SortedFiles()
    photo = album / "a.jpg"
    await sort_files({photo: "otter"}, tmp_path / "sorted", no_report, done, moves=record)
    assert "a.jpg could not be moved" in done.failed[photo].what
    assert photo.exists()
