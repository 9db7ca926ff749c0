"""Photos that arrive in a folder are passed on once, when they are whole."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from desktop.classify import photo_arrivals
from desktop.classify.photo_arrivals import (
    CUT_OFF_SECONDS,
    UNSURE_SECONDS,
    PhotoArrivals,
    SeenSoFar,
)
from serving.errors import ImageError
from tests.support.sample_images import image_bytes, image_file


class Clock:
    """Runs ahead of the times at which a test writes files, by so many seconds."""

    def __init__(self, ahead: float = 1.0) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def names(arrivals: PhotoArrivals) -> list[str]:
    return [path.relative_to(arrivals.folder).as_posix() for path in arrivals._look().photos]


def test_what_is_there_is_passed_on_once_and_in_the_order_of_names(folder: Path) -> None:
    (folder / "trip").mkdir()
    for name in ("b.jpg", "a.png", "trip/c.jpg", ".hidden.jpg"):
        image_file(folder / name)
    (folder / "notes.txt").write_text("hello")
    arrivals = PhotoArrivals(folder, clock=Clock())
    assert names(arrivals) == ["a.png", "b.jpg", "trip/c.jpg"]
    assert names(arrivals) == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_partly_written_photo_waits_until_it_is_whole(folder: Path, form: str) -> None:
    content = image_bytes(form=form)
    path = folder / "photo"
    path.write_bytes(content[: len(content) // 2])
    arrivals = PhotoArrivals(folder, clock=Clock(CUT_OFF_SECONDS / 2))
    assert names(arrivals) == []
    path.write_bytes(content)
    assert names(arrivals) == ["photo"]


@pytest.mark.parametrize("content", [b"", image_bytes()[:300]])
def test_one_that_stays_cut_off_is_passed_on_so_that_a_person_learns_of_it(
    folder: Path, content: bytes
) -> None:
    (folder / "broken.jpg").write_bytes(content)
    clock = Clock()
    arrivals = PhotoArrivals(folder, clock=clock)
    assert names(arrivals) == []
    clock.ahead = CUT_OFF_SECONDS + 1
    assert names(arrivals) == ["broken.jpg"]
    assert names(arrivals) == []


def test_a_format_without_a_visible_end_waits_a_little_longer(folder: Path) -> None:
    (folder / "a.bmp").write_bytes(image_bytes(form="BMP"))
    clock = Clock()
    arrivals = PhotoArrivals(folder, clock=clock)
    assert names(arrivals) == []
    clock.ahead = UNSURE_SECONDS + 1
    assert names(arrivals) == ["a.bmp"]


def test_a_download_is_passed_on_under_its_last_name(folder: Path) -> None:
    part = image_file(folder / "otter.jpg").rename(folder / "otter.jpg.part")
    arrivals = PhotoArrivals(folder, clock=Clock())
    assert names(arrivals) == []
    part.rename(folder / "otter.jpg")
    assert names(arrivals) == ["otter.jpg"]


def test_another_photo_in_the_place_of_one_is_passed_on(folder: Path) -> None:
    path = image_file(folder / "a.jpg")
    clock = Clock()
    arrivals = PhotoArrivals(folder, clock=clock)
    assert names(arrivals) == ["a.jpg"]
    path.write_bytes(image_bytes(color="blue", size=(90, 80)))
    assert names(arrivals) == []  # such files are looked at now and then
    clock.ahead = 60
    assert names(arrivals) == ["a.jpg"]


def test_a_next_watch_passes_over_what_this_one_saw(folder: Path, tmp_path: Path) -> None:
    image_file(folder / "a.jpg")
    (tmp_path / "moved").mkdir()
    image_file(tmp_path / "moved" / "older.jpg")
    first = PhotoArrivals(folder, clock=Clock())
    seen = first._look().seen
    assert seen.folders == {str(folder)}
    time.sleep(0.01)  # as coarse as the clock of the disk is
    image_file(folder / "b.jpg")
    shutil.move(tmp_path / "moved", folder)
    known = {folder / "a.jpg"}
    assert names(PhotoArrivals(folder, seen, known.__contains__, clock=Clock())) == [
        "b.jpg",
        "moved/older.jpg",
    ]
    known.add(folder / "b.jpg")
    assert names(PhotoArrivals(folder, seen, known.__contains__, clock=Clock())) == [
        "moved/older.jpg"
    ]


def test_what_was_on_its_way_is_not_passed_over_by_the_next_watch(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(image_bytes()[:300])
    image_file(folder / "a.jpg")
    first = PhotoArrivals(folder, clock=Clock())
    arrival = first._look()
    assert arrival.photos == (folder / "a.jpg",)
    assert arrival.seen == SeenSoFar()
    image_file(folder / "b.jpg")
    known = {folder / "a.jpg"}
    second = PhotoArrivals(folder, arrival.seen, known.__contains__, clock=Clock())
    assert names(second) == ["b.jpg"]


async def test_photos_are_followed_into_new_folders(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_arrivals, "_PAUSE_SECONDS", 0.01)
    (tmp_path / "ready").mkdir()
    image_file(tmp_path / "ready" / "c.jpg")
    async with aclosing(PhotoArrivals(folder, clock=Clock()).follow()) as following:
        assert (await anext(following)).photos == ()
        image_file(folder / "a.jpg")
        assert await next_photos(following) == [folder / "a.jpg"]
        (tmp_path / "ready").rename(folder / "trip")
        assert await next_photos(following) == [folder / "trip" / "c.jpg"]
        image_file(folder / "trip" / "d.jpg")
        assert await next_photos(following) == [folder / "trip" / "d.jpg"]
        shutil.rmtree(folder)
        with pytest.raises(ImageError, match="inbox cannot be read"):
            await next_photos(following)


async def next_photos(following) -> list[Path]:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(60):
        async for arrival in following:
            if arrival.photos:
                return list(arrival.photos)
    raise AssertionError
