"""Files are fetched whole or not at all, and never twice."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.catalogue.download import DownloadFailed, FileDownload, download
from tests.support.mirror import Mirror, mirror
from tests.support.waiting import wait_until

CONTENT = random.Random(3).randbytes(600_000)
NO_PAUSES = (0.0, 0.0, 0.0)


@pytest.fixture
def server() -> Iterator[Mirror]:
    with mirror() as running:
        running.files["/a/weights.h5"] = CONTENT
        yield running


def file_download(
    server: Mirror, checksum: str | None = None, max_bytes: int = 10**6
) -> FileDownload:
    if checksum is None:
        checksum = hashlib.md5(CONTENT).hexdigest()
    return FileDownload("The weights of X", f"{server.url}/a/weights.h5", checksum, max_bytes)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
async def test_a_file_is_checked(server: Mirror, tmp_path: Path, algorithm: str) -> None:
    target = tmp_path / "new" / "weights.h5"
    checksum = hashlib.new(algorithm, CONTENT).hexdigest()
    await download(file_download(server, checksum), target)
    assert target.read_bytes() == CONTENT
    assert left(target.parent) == {"weights.h5"}


async def test_what_is_there_is_not_fetched(server: Mirror, tmp_path: Path) -> None:
    target = tmp_path / "weights.h5"
    target.write_bytes(b"there")
    await download(file_download(server), target)
    assert server.requests == []


async def test_another_file_is_refused_and_forgotten(server: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="is not the file that was published: its checksum"):
        await download(file_download(server, "0" * 32), tmp_path / "weights.h5")
    assert left(tmp_path) == set()


@pytest.mark.parametrize("states_length", [True, False])
async def test_a_longer_file_is_refused(
    server: Mirror, tmp_path: Path, states_length: bool
) -> None:
    server.states_length = states_length
    with pytest.raises(DownloadFailed, match="is not the file that was published"):
        await download(file_download(server, max_bytes=500_000), tmp_path / "weights.h5")
    assert "weights.h5" not in left(tmp_path)


async def test_a_connection_that_ends_is_continued(server: Mirror, tmp_path: Path) -> None:
    server.ends_after = [100_000, 200_000, 0]
    target = tmp_path / "weights.h5"
    await download(file_download(server), target, pauses=NO_PAUSES)
    assert target.read_bytes() == CONTENT
    ranges = [asked for _, asked in server.requests]
    assert ranges == ["", "bytes=100000-", "bytes=300000-", "bytes=300000-"]


async def test_a_download_that_failed_goes_on_later(server: Mirror, tmp_path: Path) -> None:
    server.ends_after = [250_000]
    target = tmp_path / "weights.h5"
    with pytest.raises(DownloadFailed, match="came in part, 250 kB") as failure:
        await download(file_download(server), target, pauses=())
    assert "goes on from there" in failure.value.advice
    assert not target.exists()
    await download(file_download(server), target)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1] == ("/a/weights.h5", "bytes=250000-")


async def test_a_cancelled_download_goes_on_later(server: Mirror, tmp_path: Path) -> None:
    server.ends_after = [250_000]
    target = tmp_path / "weights.h5"
    task = asyncio.create_task(download(file_download(server), target, pauses=(600.0,)))
    partial = tmp_path / "weights.h5.partial"
    await wait_until(lambda: partial.exists() and partial.stat().st_size == 250_000)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await download(file_download(server), target)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=250000-"


async def test_a_file_that_changed_begins_again(server: Mirror, tmp_path: Path) -> None:
    server.files["/a/weights.h5"] = b"x" * 600_000
    server.ends_after = [250_000]
    with pytest.raises(DownloadFailed):
        await download(file_download(server), tmp_path / "weights.h5", pauses=())
    server.files["/a/weights.h5"], server.etag = CONTENT, '"2"'
    await download(file_download(server), tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT


async def test_a_shorter_file_begins_again(server: Mirror, tmp_path: Path) -> None:
    server.files["/a/weights.h5"] = b"x" * 900_000
    server.ends_after = [700_000]
    with pytest.raises(DownloadFailed):
        await download(file_download(server), tmp_path / "weights.h5", pauses=())
    server.files["/a/weights.h5"] = CONTENT  # under the same tag: what came is longer than it is
    await download(file_download(server), tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT


async def test_a_server_without_parts_sends_all_again(server: Mirror, tmp_path: Path) -> None:
    server.ranges = False
    server.ends_after = [250_000]
    await download(file_download(server), tmp_path / "weights.h5", pauses=NO_PAUSES)
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT


async def test_without_tag_and_checksum_nothing_is_continued(
    server: Mirror, tmp_path: Path
) -> None:
    server.etag = None
    server.ends_after = [250_000]
    await download(file_download(server, ""), tmp_path / "weights.h5", pauses=NO_PAUSES)
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["", ""]


async def test_a_checksum_stands_in_for_a_tag(server: Mirror, tmp_path: Path) -> None:
    server.etag = None
    server.ends_after = [250_000]
    await download(file_download(server), tmp_path / "weights.h5", pauses=NO_PAUSES)
    assert [asked for _, asked in server.requests] == ["", "bytes=250000-"]


async def test_a_damaged_note_of_the_origin_begins_again(server: Mirror, tmp_path: Path) -> None:
    (tmp_path / "weights.h5.partial").write_bytes(b"half")
    (tmp_path / "weights.h5.partial.json").write_text("[")
    await download(file_download(server), tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_says_what_was_asked_for(
    server: Mirror, tmp_path: Path, status: int
) -> None:
    server.status = status
    with pytest.raises(DownloadFailed, match=f"answered {status} .* for /a/weights.h5"):
        await download(file_download(server), tmp_path / "weights.h5", pauses=NO_PAUSES)
    assert len(server.requests) == 1


async def test_a_server_in_trouble_is_asked_again(server: Mirror, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(DownloadFailed, match=r"cannot be reached .*503"):
        await download(file_download(server), tmp_path / "weights.h5", pauses=NO_PAUSES)
    assert len(server.requests) == 1 + len(NO_PAUSES)


async def test_no_server_is_said_at_once(tmp_path: Path) -> None:
    with mirror() as server:
        gone = file_download(server)
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 cannot be reached") as failure:
        await download(gone, tmp_path / "weights.h5", pauses=(600.0,))
    assert "HTTPS_PROXY" in failure.value.advice


async def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    wrong = FileDownload("The weights of X", "ftp://mirror/weights.h5", "", 10)
    with pytest.raises(DownloadFailed, match="cannot be downloaded from ftp://mirror") as failure:
        await download(wrong, tmp_path / "weights.h5")
    assert "address of the mirror" in failure.value.advice


async def test_two_at_once_fetch_once(server: Mirror, tmp_path: Path) -> None:
    target = tmp_path / "weights.h5"
    await asyncio.gather(*(download(file_download(server), target) for _ in range(3)))
    assert len(server.requests) == 1


async def test_progress_says_how_much_came(server: Mirror, tmp_path: Path) -> None:
    said: list[tuple[int, int, str]] = []
    await download(
        file_download(server), tmp_path / "weights.h5", lambda *progress: said.append(progress)
    )
    assert any(
        done == total == 600_000 and "600 kB of 600 kB" in text for done, total, text in said
    )


async def test_proxies_of_the_environment_are_used(
    server: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To a proxy, the whole address is the path.
    server.files["http://weights.invalid/a/weights.h5"] = CONTENT
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    through = FileDownload("The weights of X", "http://weights.invalid/a/weights.h5", "", 10**6)
    await download(through, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
