"""What is dropped on the window: files of this machine, and a sentence for everything else."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from desktop.dropped_addresses import path_in_text, read_addresses

NAMES = {
    "a space": b"a b.jpg",
    "what addresses give a meaning": b"100%25 #1?.jpg",
    "Unicode": "水獺🦦.jpg".encode(),
    "no UTF-8": b"caf\xe9\xff.jpg",
    "an encoded slash": b"a%2Fb.jpg",
}
HOSTS = ("", "localhost", "LOCALHOST", socket.gethostname(), f"{socket.gethostname()}.local.")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_file_of_this_machine_is_found(tmp_path: Path, name: str, host: str) -> None:
    path = os.fsencode(tmp_path / os.fsdecode(NAMES[name]))
    found = read_addresses([f"file://{host}{quote(path)}".encode()])
    assert [os.fsencode(file) for file in found.files] == [path]
    assert found.refused == ()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (b"file:", "without a file"),
        (b"file://", "without a file"),
        (b"file://localhost", "without a file"),
        (b"file:photo.jpg", "without a file"),
        (b"photo.jpg", "without a file"),
        (b"", "without a file"),
        (b"file://nas-of-somebody/share/a.jpg", "another machine, nas-of-somebody"),
        (b"https://example.org/a.jpg", "Save the picture"),
        (b"HTTP://example.org", "Save the picture"),
        (b"smb://nas/share/a.jpg", "Copy it"),
        (b"mtp:host=Phone/a.jpg", "Copy it"),
        (b"trash:///a.jpg", "Restore it"),
        (b"data:image/png;base64," + b"A" * 10_000, "Copy it"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else "",
)
def test_what_is_no_file_of_this_machine_is_said_and_costs_no_other(
    tmp_path: Path, address: bytes, words: str
) -> None:
    found = read_addresses([address, (tmp_path / "a.jpg").as_uri().encode(), address])
    assert found.files == (tmp_path / "a.jpg",)
    (error,) = found.refused
    assert words in str(error)
    assert error.advice
    assert len(str(error)) < 300


def test_a_nul_in_an_address_is_a_file_that_is_not_there() -> None:
    (file,) = read_addresses([b"file:///tmp/a%00b.jpg"]).files
    assert not file.exists()


@pytest.mark.parametrize("text", ["/tmp/a.jpg", " ~/photos/a.jpg\n", "/" + "x" * 5000])
def test_dropped_text_counts_as_path_only_if_it_is_one(text: str) -> None:
    error = path_in_text(text)
    assert error is not None
    assert "as text" in error.what
    assert error.advice


@pytest.mark.parametrize("text", ["", "hello", "a/b", "/tmp/a\n/tmp/b", "https://example.org"])
def test_other_text_is_nothing(text: str) -> None:
    assert path_in_text(text) is None
