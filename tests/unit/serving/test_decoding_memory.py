"""Photos that are decoded side by side share memory; a giant has it for itself."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.decoding_memory import MAX_OWN_FILE_BYTES, DecodingMemory
from serving.decoding_plan import plan_decoding
from serving.image_file import MAX_PIXELS, UnusableImage, open_image
from serving.normalize_image import MAX_SIDE, normalize_image
from tests.support.hostile_images import png_bomb, png_chunk
from tests.support.jpeg_bytes import declared_jpeg
from tests.support.process_memory import measure

ROOT = Path(__file__).resolve().parents[3]
MEASURE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from desktop.widgets.picture import decode_picture
from serving.normalize_image import read_normalized_image
def memory(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024
path = Path(sys.argv[1])
before = memory("VmRSS")
with ThreadPoolExecutor(3) as pool:
    made = [pool.submit(read_normalized_image, path) for _ in range(2)]
    shown = pool.submit(decode_picture, path, 200)
    assert all(each.result() for each in made)
    assert not shown.result().isNull()
del made, shown
print(memory("VmHWM") - before, memory("VmRSS") - before)
"""
MEGABYTE = 2**20


class NotedCondition(threading.Condition):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_for = threading.Event()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        if not predicate():
            self.is_waited_for.set()
        return super().wait_for(predicate, timeout)


@pytest.mark.parametrize(
    ("held", "cost"),
    [(1000, 1000), (1000, 1), (1, 1000), (400, 300)],
)
def test_what_does_not_fit_beside_another_waits_for_it(held: int, cost: int) -> None:
    condition, order = NotedCondition(), list[str]()
    memory = DecodingMemory(condition)

    def decode() -> None:
        with memory.reserve(cost * MEGABYTE):
            order.append("second")

    thread = threading.Thread(target=decode)
    with memory.reserve(held * MEGABYTE):
        thread.start()
        assert condition.is_waited_for.wait(60)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_what_fits_beside_another_does_not_wait() -> None:
    memory = DecodingMemory()
    with memory.reserve(300 * MEGABYTE), memory.reserve(300 * MEGABYTE):
        pass


def test_a_photo_that_fails_returns_its_memory() -> None:
    memory = DecodingMemory()
    with pytest.raises(OSError, match="damaged"), memory.reserve(1000 * MEGABYTE):
        raise OSError("damaged")
    with memory.reserve(1000 * MEGABYTE):
        pass


def test_more_than_one_photo_may_ever_take_is_refused() -> None:
    with (
        pytest.raises(UnusableImage, match="too much memory"),
        DecodingMemory().reserve(MAX_OWN_FILE_BYTES + 1),
    ):
        pass


def test_three_giants_at_once_take_no_more_than_one_and_return_it(tmp_path: Path) -> None:
    giant = png_bomb(9_000, 9_000)
    (tmp_path / "giant.png").write_bytes(giant)
    with open_image(giant) as image:
        cost = plan_decoding(image, len(giant), MAX_SIDE).cost
    peak, kept = measure(MEASURE, tmp_path / "giant.png")
    assert peak <= cost
    assert kept <= 64 * MEGABYTE


def declared_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", b""), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("declared", [declared_png, declared_jpeg])
@pytest.mark.parametrize("width", [14_000, 4_000])
def test_the_limit_on_pixels_is_the_one_that_is_said(
    declared: Callable[[int, int], bytes], width: int
) -> None:
    with pytest.raises(UnusableImage, match="more than 200 million pixels"):
        normalize_image(declared(width, MAX_PIXELS // width + 1))
    for pixels in (MAX_PIXELS, 179_000_000, 90_000_000):
        with open_image(declared(width, pixels // width)) as image:
            assert image.width == width
