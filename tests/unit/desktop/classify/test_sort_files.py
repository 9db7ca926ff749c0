"""Copies of photos in a folder for each class: nothing is overwritten, and a move is undone."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from desktop.classify import sort_files as module
from desktop.classify.move_records import MoveRecord
from desktop.classify.sort_files import (
    SortedFiles,
    SortError,
    move_back,
    sort_files,
    sorted_sentence,
)
from serving.progress import no_report


@pytest.fixture
def photos(tmp_path: Path) -> dict[Path, str]:
    album = tmp_path / "album"
    (album / "second").mkdir(parents=True)
    found = {}
    for name, class_name in (
        ("a.jpg", "otter"),
        ("b.jpg", "panda/bear"),
        ("second/a.jpg", "otter"),
    ):
        (album / name).write_text(name)
        found[album / name] = class_name
    return found


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def test_copies_are_sorted_and_originals_stay(
    photos: dict[Path, str], tmp_path: Path
) -> None:
    before = files(tmp_path / "album")
    target = tmp_path / "sorted"
    done = SortedFiles()
    await sort_files(photos, target, no_report, done)
    expected = {
        "otter/a.jpg": "a.jpg",
        "otter/a-2.jpg": "second/a.jpg",
        "panda%2Fbear/b.jpg": "b.jpg",
    }
    assert files(target) == expected
    assert files(tmp_path / "album") == before
    assert sorted_sentence(done, target, 1, move=False) == (
        "3 photos copied into 2 folders in sorted. 1 photo without a sure answer left out."
    )
    again = SortedFiles()
    await sort_files(photos, target, no_report, again)
    assert files(target) == expected
    assert (len(again.copied), len(again.present)) == (0, 3)


async def test_what_is_there_is_not_overwritten(photos: dict[Path, str], tmp_path: Path) -> None:
    target = tmp_path / "sorted"
    (target / "otter").mkdir(parents=True)
    (target / "otter" / "a.jpg").write_text("of somebody else")
    (target / "otter" / "a-2.jpg").symlink_to("nowhere")
    await sort_files(photos, target, no_report, SortedFiles())
    assert (target / "otter" / "a.jpg").read_text() == "of somebody else"
    assert (target / "otter" / "a-2.jpg").is_symlink()
    assert (target / "otter" / "a-3.jpg").read_text() == "a.jpg"


@pytest.mark.parametrize("other_disk", [False, True])
async def test_a_move_is_undone(
    photos: dict[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_disk: bool
) -> None:
    if other_disk:

        def refuse(*args: object, **options: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    album, target = tmp_path / "album", tmp_path / "sorted"
    before = files(album)
    done = SortedFiles()
    record = MoveRecord(tmp_path / "moves" / "1.jsonl")
    await sort_files(photos, target, no_report, done, moves=record)
    assert files(album) == {}
    assert len(files(target)) == 3
    (album / "b.jpg").write_text("came since")
    back = SortedFiles()
    await move_back(record, no_report, back)
    assert back.failed == {}
    assert files(album) == {**before, "b.jpg": "came since", "b-2.jpg": "b.jpg"}
    assert list(target.iterdir()) == []


async def test_one_that_is_gone_costs_no_other(photos: dict[Path, str], tmp_path: Path) -> None:
    gone = next(iter(photos))
    gone.unlink()
    done = SortedFiles()
    await sort_files(photos, tmp_path / "sorted", no_report, done)
    assert list(done.failed) == [gone]
    assert done.failed[gone].advice
    assert len(done.copied) == 2


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


async def test_nothing_is_copied_to_a_disk_without_room_for_all(
    photos: dict[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(1, 1, module._SPARE_BYTES))
    with pytest.raises(SortError, match="Make room there"):
        await sort_files(photos, tmp_path / "sorted", no_report, SortedFiles())
    assert not (tmp_path / "sorted").exists()
    done = SortedFiles()
    record = MoveRecord(tmp_path / "1.jsonl")
    await sort_files(photos, tmp_path / "sorted", no_report, done, moves=record)
    assert len(done.copied) == 3


async def test_a_cancelled_move_says_what_it_moved(photos: dict[Path, str], tmp_path: Path) -> None:
    done = SortedFiles()

    def cancel(number: int, total: int, text: str) -> None:
        if number == 1:
            loop.call_soon_threadsafe(moving.cancel)
            while not moving.cancelling():
                time.sleep(0.001)

    loop = asyncio.get_running_loop()
    record = MoveRecord(tmp_path / "1.jsonl")
    moving = asyncio.create_task(
        sort_files(photos, tmp_path / "sorted", cancel, done, moves=record)
    )
    with pytest.raises(asyncio.CancelledError):
        await moving
    moved = list(done.copied.values())
    assert 1 <= len(moved) <= 2
    assert all(path.exists() for path in moved)
    assert sum(photo.exists() for photo in photos) == 3 - len(moved)
