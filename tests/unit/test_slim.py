"""What is removed after an installation is not used, and what is left works."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from slim import drop_symbols, slim


def write(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_what_nothing_uses_is_removed_but_for_its_licences(tmp_path: Path) -> None:
    header = write(tmp_path / "tensorflow/include/external/png/png.h", "12345")
    licence = write(tmp_path / "tensorflow/include/external/png/LICENSE")
    tests = write(tmp_path / "scipy/stats/tests/data/numbers.txt", "123")
    used = write(tmp_path / "scipy/stats/code.py")
    library = write(tmp_path / "openvino/libs/libopenvino_intel_gpu_plugin.so", "12")
    assert slim(tmp_path) == 10
    assert [path.exists() for path in (header, tests, library)] == [False, False, False]
    assert not (tmp_path / "scipy/stats/tests").exists()
    assert licence.exists()
    assert used.exists()
    assert slim(tmp_path) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="libraries have another format")
def test_a_library_without_its_symbols_still_works(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("_ctypes")
    if spec is None or spec.origin is None or not spec.origin.endswith(".so"):
        pytest.skip("this Python has no extension module in a file of its own")
    library = Path(shutil.copy(spec.origin, tmp_path / "copy.so"))
    mode = library.stat().st_mode
    before = library.stat().st_size
    assert drop_symbols(library) == before - library.stat().st_size > 0
    assert hasattr(ctypes.CDLL(str(library)), "PyInit__ctypes")
    assert library.stat().st_mode == mode
    assert drop_symbols(library) == 0
    assert list(tmp_path.iterdir()) == [library]


@pytest.mark.parametrize("content", ["", "short", "x" * 100])
def test_a_file_that_is_no_library_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "file", content)
    assert drop_symbols(path) == 0
    assert path.read_text() == content
