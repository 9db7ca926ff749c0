"""Embeddings survive the end of a run, however it ended."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.training.embeddings import (
    MIN_REMOVED,
    EmbeddingCache,
    append_embeddings,
    compact_embeddings,
)
from backend.training.head import Floats
from tests.support.waiting import TIMEOUT_SECONDS

ROOT = Path(__file__).parents[4]


def image(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def embeddings(*numbers: int) -> dict[str, Floats]:
    return {image(number): np.full(5, number, np.float32) for number in numbers}


def known(folder: Path, numbers: range) -> list[int]:
    cache = EmbeddingCache(folder, "b")
    found = [(number, cache.get(image(number))) for number in numbers]
    assert all((row == number).all() for number, row in found if row is not None)
    return [number for number, row in found if row is not None]


def test_what_is_cached_is_read_back(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "new", "b")
    cache.add(embeddings(1, 2))
    cache.add({})
    cache.add(embeddings(3))
    assert cache.get(image(4)) is None
    assert known(tmp_path / "new", range(6)) == [1, 2, 3]
    assert EmbeddingCache(tmp_path / "new", "another").get(image(1)) is None


@pytest.mark.parametrize("lost", [1, 30, 55, 56])
def test_an_incomplete_record_is_ignored_and_written_over(tmp_path: Path, lost: int) -> None:
    EmbeddingCache(tmp_path, "b").add(embeddings(1, 2, 3))
    path = tmp_path / "b.embeddings"
    path.write_bytes(path.read_bytes()[:-lost])
    assert known(tmp_path, range(6)) == [1, 2]
    EmbeddingCache(tmp_path, "b").add(embeddings(4, 5))
    assert known(tmp_path, range(6)) == [1, 2, 4, 5]


def test_a_damaged_record_costs_itself_alone(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, "b").add(embeddings(1, 2, 3))
    path = tmp_path / "b.embeddings"
    content = bytearray(path.read_bytes())
    content[-60] ^= 1  # in the second record of three, which are 56 bytes each
    path.write_bytes(content)
    assert known(tmp_path, range(6)) == [1, 3]


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"servery embeddings 1\n\x05"])
def test_a_foreign_file_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.embeddings").write_bytes(content)
    assert known(tmp_path, range(6)) == []
    EmbeddingCache(tmp_path, "b").add(embeddings(4))
    assert known(tmp_path, range(6)) == [4]


def test_a_process_that_is_killed_while_it_adds_loses_nothing_it_had_added(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.backend.training.test_embeddings import *\n"
        "cache = EmbeddingCache(Path(sys.argv[1]), 'b')\n"
        "for number in range(1_000_000):\n"
        "    cache.add(embeddings(number)); print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 20:
        pass
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    complete = [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    last = complete[-1] if complete else 20
    assert set(known(tmp_path, range(last + 2))) >= set(range(last + 1))


def test_the_file_of_an_older_servery_is_taken_over_once(tmp_path: Path) -> None:
    old = embeddings(1, 2)
    np.savez(
        tmp_path / "b.npz",
        images=np.array(list(old), "S64"),
        embeddings=np.stack(list(old.values())),
    )
    assert known(tmp_path, range(6)) == [1, 2]
    assert not (tmp_path / "b.npz").exists()
    assert known(tmp_path, range(6)) == [1, 2]


def test_a_damaged_file_of_an_older_servery_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "b.npz").write_bytes(b"PK nonsense")
    assert known(tmp_path, range(6)) == []


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    """A backend appends what comes with photos while a worker appends what it embedded."""
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; import numpy as np;"
                "from backend.training.embeddings import append_embeddings;"
                "folder, writer = Path(sys.argv[1]), int(sys.argv[2]);"
                "[append_embeddings(folder, 'b', {f'{writer:02x}{number:062x}':"
                " np.full(8, number, np.float32)}) for number in range(60)]",
                str(tmp_path / "training" / "embeddings"),
                str(writer),
            ],
            cwd=ROOT,
        )
        for writer in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    cache = EmbeddingCache(tmp_path / "training" / "embeddings", "b")
    for writer in range(3):
        for number in range(60):
            row = cache.get(f"{writer:02x}{number:062x}")
            assert row is not None
            assert row.tolist() == [number] * 8


def test_embeddings_of_removed_photos_go_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "training" / "embeddings"
    names = [image(number) for number in range(2 * MIN_REMOVED)]
    rows = {name: np.full(4, number, np.float32) for number, name in enumerate(names)}
    append_embeddings(folder, "b", rows)
    path = folder / "b.embeddings"
    size = path.stat().st_size
    # Not for a few.
    assert compact_embeddings(folder, frozenset(names[:-10])) == []
    running = EmbeddingCache(folder, "b")
    assert compact_embeddings(folder, frozenset(names[:10])) == [path]
    assert path.stat().st_size < size / 100
    # Who had read it before goes on appending to the new file.
    running.add({"f" * 64: np.ones(4, np.float32)})
    cache = EmbeddingCache(folder, "b")
    assert [cache.get(name) is not None for name in (names[9], names[10], "f" * 64)] == [
        True,
        False,
        True,
    ]
