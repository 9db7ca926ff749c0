from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from desktop.classify import find_photos as module
from desktop.classify.find_photos import find_in_parts, find_photos
from tests.support.sample_images import image_file


async def test_folders_are_searched_however_deep_and_by_content(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    photo = image_file(deep / "no_suffix", form="PNG")
    second = image_file(tmp_path / "z.jpg")
    (tmp_path / "notes.txt").write_text("not a photo")
    found = await find_photos([tmp_path])
    assert set(found.photos) == {photo, second}
    assert found.skipped == 1


async def test_a_file_named_like_an_image_is_kept_so_that_its_error_is_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.PNG").write_text("hello")
    found = await find_photos([tmp_path])
    assert {path.name for path in found.photos} == {"empty.jpg", "text.PNG"}
    assert found.skipped == 0


async def test_files_dropped_themselves_never_vanish(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a photo")
    gone = tmp_path / "gone.jpg"
    found = await find_photos([notes, gone])
    assert found.photos == (notes, gone)


async def test_hidden_files_and_links_to_folders_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    photo = image_file(tmp_path / "album" / "seen.jpg")
    image_file(tmp_path / "album" / ".hidden.jpg")
    (tmp_path / "album" / "loop").symlink_to(tmp_path / "album", target_is_directory=True)
    found = await find_photos([tmp_path / "album"])
    assert found.photos == (photo,)


async def test_a_file_dropped_twice_is_one_photo(tmp_path: Path) -> None:
    photo = image_file(tmp_path / "one.jpg")
    found = await find_photos([photo, tmp_path, photo])
    assert found.photos == (photo,)


async def test_what_cannot_be_looked_at_is_named_and_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    photo = image_file(tmp_path / "album" / "seen.jpg")
    too_long = tmp_path / ("x" * 300 + ".jpg")
    no_name = tmp_path / "a\0b.jpg"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    found = await find_photos([too_long, no_name, loop, tmp_path / "album"])
    assert found.photos == (too_long, no_name, loop, photo)
    assert found.unreadable == ()


async def test_a_locked_folder_is_named_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "album" / "locked").mkdir(parents=True)
    photo = image_file(tmp_path / "album" / "seen.jpg")
    scandir = os.scandir

    def locked(path: str | os.PathLike[str]) -> object:
        # Root may read everything, so that no mode locks a folder to the tests there.
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = await find_photos([tmp_path / "album" / "locked", tmp_path / "album"])
    assert found.photos == (photo,)
    first, second = found.unreadable
    assert first.what == second.what == "The folder locked cannot be read: Permission denied."
    assert str(tmp_path / "album" / "locked") in first.advice


async def test_names_that_are_no_text_are_found(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"\xff\xfe.png", b"\x80folder/a.jpg"]
    for name in names:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        image_file(path)
    found = await find_photos([tmp_path])
    assert {os.fsencode(path.relative_to(tmp_path)) for path in found.photos} == set(names)


async def test_the_first_photos_come_before_all_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PART", 2)
    monkeypatch.setattr(module, "_PART", 3)
    photos = [tmp_path / f"{number}.jpg" for number in range(9)]
    for photo in photos:
        photo.touch()
    (tmp_path / "notes.txt").write_text("not a photo")
    parts = [part async for part in find_in_parts([photos[1], tmp_path])]
    assert [path for part in parts for path in part.photos] == [
        photos[1],
        *(photo for photo in photos if photo != photos[1]),
    ]
    assert len(parts[0].photos) <= 2
    assert max(len(part.photos) for part in parts) <= 3
    assert sum(part.skipped for part in parts) == 1
