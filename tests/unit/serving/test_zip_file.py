"""A zip file is unpacked completely into its folder, or refused with a sentence."""

from __future__ import annotations

import io
import stat
import tracemalloc
import zipfile
from collections import namedtuple
from contextlib import nullcontext
from pathlib import Path

import pytest

from serving import zip_file
from serving.errors import StorageUnavailable
from serving.zip_file import (
    MAX_DEPTH,
    MAX_LIST_BYTES,
    UnusableZip,
    ZipTooLarge,
    unpack_zip,
)
from tests.support.small_disk import small_disk


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = {"cats/1.jpg": b"one", "Köche/2.jpg": b"two" * 100_000, "猫/3.jpg": b"", "t.txt": b"x"}
    unpack_zip(zipped(tmp_path / "photos.zip", files), tmp_path / "out")
    assert unpacked(tmp_path / "out") == files


def test_names_that_are_utf_8_without_saying_so_are_read_as_that(tmp_path: Path) -> None:
    path = zipped(tmp_path / "photos.zip", {"K\u00f6che/2.jpg": b"two", "Ko\u0308che/3.jpg": b"3"})
    content = bytearray(path.read_bytes())
    for signature, offset in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)]:
        place = content.find(signature)
        while place >= 0:
            flags = int.from_bytes(content[place + offset : place + offset + 2], "little")
            content[place + offset : place + offset + 2] = (flags & ~0x800).to_bytes(2, "little")
            place = content.find(signature, place + 4)
    path.write_bytes(content)
    unpack_zip(path, tmp_path / "out")
    assert sorted(unpacked(tmp_path / "out")) == ["Ko\u0308che/3.jpg", "K\u00f6che/2.jpg"]


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    unpack_zip(zipped(tmp_path / "photos.zip", {"cats\\1.jpg": b"one"}), tmp_path / "out")
    assert unpacked(tmp_path / "out") == {"cats/1.jpg": b"one"}


@pytest.mark.parametrize(
    "name", ["../out.jpg", "cats/../../out.jpg", "/etc/out.jpg", "..\\out.jpg", "C:\\out.jpg", "."]
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "photos.zip", {"cats/1.jpg": b"one", name: b"bad"})
    with pytest.raises(UnusableZip, match="leads out of it"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("cats")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc")
    with pytest.raises(UnusableZip, match="link or a device"):
        unpack_zip(path, tmp_path / "out")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "MAX_ENTRIES", 2)
    path = zipped(tmp_path / "photos.zip", {f"{number}.jpg": b"" for number in range(3)})
    with pytest.raises(ZipTooLarge, match="3 files; 2 are allowed"):
        unpack_zip(path, tmp_path / "out")


def test_a_bomb_is_refused_before_it_goes_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_file, "MAX_UNPACKED_BYTES", 1_000_000)
    path = zipped(tmp_path / "photos.zip", {"cats/1.jpg": bytes(2_000_000)})
    assert path.stat().st_size < 10_000
    with pytest.raises(ZipTooLarge, match=r"unpacks to 2\.0 MB"):
        unpack_zip(path, tmp_path / "out")


def test_what_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(zip_file, "disk_usage", lambda _: usage(2**40, 2**39, 600 * 2**20))
    path = zipped(tmp_path / "photos.zip", {"cats/1.jpg": bytes(100 * 2**20)})
    with pytest.raises(StorageUnavailable, match="are free"):
        unpack_zip(path, tmp_path / "out")


def test_an_entry_larger_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "photos.zip", {"cats/1.jpg": b"0123456789" * 1000})
    content = path.read_bytes()
    size = (10_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(UnusableZip, match="is damaged"):
        unpack_zip(path, tmp_path / "out")
    assert sum(map(len, unpacked(tmp_path / "out").values())) <= 10


@pytest.mark.parametrize("damage", ["text", "cut", "flipped"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, damage: str) -> None:
    content = bytearray(zipped(tmp_path / "photos.zip", {"cats/1.jpg": b"0123"}).read_bytes())
    if damage == "text":
        content = bytearray(b"no zip file")
    elif damage == "cut":
        del content[-30:]
    else:
        content[40] ^= 0xFF
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(UnusableZip):
        unpack_zip(tmp_path / "photos.zip", tmp_path / "out")


def test_a_password_is_a_sentence(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("cats/1.jpg", b"one")
    content = bytearray(buffer.getvalue())
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(UnusableZip, match="password"):
        unpack_zip(tmp_path / "photos.zip", tmp_path / "out")


def test_a_name_that_is_too_long_is_a_sentence(tmp_path: Path) -> None:
    path = zipped(tmp_path / "photos.zip", {"c" * 300 + "/1.jpg": b"one"})
    with pytest.raises(UnusableZip, match="cannot be unpacked"):
        unpack_zip(path, tmp_path / "out")


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_disk_that_refuses_it_is_no_fault_of_the_zip_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(zip_file, "_RESERVE_BYTES", 0)
    path = zipped(tmp_path / "photos.zip", {"cats/1.jpg": bytes(range(256)) * 4096})
    with small_disk(tmp_path / "disk", 2**20 + 2**18) as disk:
        if state == "full":
            disk.fill()
        refusing = disk.read_only() if state == "read-only" else nullcontext()
        with refusing, pytest.raises(StorageUnavailable) as refused:
            unpack_zip(path, disk.folder / "out")
        assert refused.value.advice
        disk.make_room()
        unpack_zip(path, disk.folder / "out")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_refused(tmp_path: Path, method: int) -> None:
    # 45 bytes of bzip2 make 45 MB, and Python unpacks all that it read at once.
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("cats/1.jpg", bytes(1000))
    with pytest.raises(UnusableZip, match="usual compression"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("copies", [300_000, 750_000])
def test_a_list_of_very_many_entries_is_refused_before_it_is_read(
    tmp_path: Path, copies: int
) -> None:
    path = zipped(tmp_path / "photos.zip", {"a": b""})
    content = path.read_bytes()
    begin, end = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
    entries = content[begin:end] * copies
    tail = bytearray(content[end:])
    # What the end declares as the number of entries is still one.
    tail[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:begin] + entries + tail)
    tracemalloc.start()
    with pytest.raises(ZipTooLarge, match="list of files"):
        unpack_zip(path, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MAX_LIST_BYTES


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 2000, 30_000])
def test_folders_nested_deeper_than_a_person_makes_them_are_refused(
    tmp_path: Path, depth: int
) -> None:
    path = zipped(tmp_path / "photos.zip", {"a/" * (depth - 1) + "1.jpg": b"one"})
    with pytest.raises(UnusableZip, match="nested"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_count_as_files_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "MAX_ENTRIES", 10)
    files = {f"{number}/a/b/c/1.jpg": b"one" for number in range(3)}
    with pytest.raises(ZipTooLarge, match="folders"):
        unpack_zip(zipped(tmp_path / "photos.zip", files), tmp_path / "out")
    assert not (tmp_path / "out").exists()
