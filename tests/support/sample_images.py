"""Images for tests: plain ones, paintings of one color, and drawings of other classes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw

Color = tuple[int, int, int]


def encode(image: Image.Image, form: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image.save(out, form, quality=90)
    return out.getvalue()


def image_bytes(color: str = "teal", form: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    """Return an image file of one color."""
    return encode(Image.new("RGB", size, color), form)


def image_file(path: Path, color: str = "teal", form: str = "JPEG") -> Path:
    path.write_bytes(image_bytes(color, form))
    return path


def gradient(size: tuple[int, int] = (96, 64)) -> bytes:
    """Return a JPEG with something in it."""
    return encode(Image.linear_gradient("L").resize(size).convert("RGB"))


def painting(color: str, seed: object) -> bytes:
    """Return a photo-sized JPEG in shades of one color, another one for each seed."""
    rng = random.Random(f"{color} {seed}")
    base = ImageColor.getrgb(color)

    def shade(spread: int) -> Color:
        red, green, blue = (min(255, max(0, part + rng.randint(-spread, spread))) for part in base)
        return (red, green, blue)

    width, height = rng.choice([(320, 240), (300, 300), (240, 320)])
    image = Image.new("RGB", (width, height), shade(20))
    canvas = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, radius = rng.randint(0, width), rng.randint(0, height), rng.randint(20, 80)
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade(60))
    return encode(image)


def drawing(kind: str, seed: object) -> bytes:
    """Return a photo-sized JPEG of a `smiley`, of `stripes` or of `rings`, one for each seed."""
    rng = random.Random(f"{kind} {seed}")
    width, height = rng.choice([(320, 240), (300, 300), (240, 320)])
    image = Image.new("RGB", (width, height), _color(rng, 150, 255))
    _KINDS[kind](ImageDraw.Draw(image), rng, width, height)
    return encode(image)


def drawings(folder: Path, name: str, kind: str, count: int) -> list[Path]:
    """Draw `count` photos of one kind into `folder`, each different; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}-{number:02}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(drawing(kind, path.name))
    return paths


def _smiley(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
    """A yellow face, somewhere near the middle."""
    radius = int(min(width, height) * rng.uniform(0.3, 0.42))
    x = width // 2 + rng.randint(-20, 20)
    y = height // 2 + rng.randint(-15, 15)
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 210, 40))
    for eye in (-1, 1):
        left = x + eye * radius // 3
        canvas.ellipse((left - 9, y - radius // 2, left + 9, y - radius // 5), fill="black")
    mouth = (x - radius // 2, y - radius // 3, x + radius // 2, y + radius // 2)
    canvas.arc(mouth, 20, 160, fill="black", width=8)


def _stripes(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
    ink, thickness = _color(rng, 0, 90), rng.randint(12, 24)
    for x in range(-height, width, 2 * thickness):
        canvas.line((x, 0, x + height // 2, height), fill=ink, width=thickness)


def _rings(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
    ink, thickness = _color(rng, 0, 90), rng.randint(12, 24)
    x, y = (side // 2 + rng.randint(-20, 20) for side in (width, height))
    for radius in range(thickness, max(width, height), 2 * thickness):
        box = (x - radius, y - radius, x + radius, y + radius)
        canvas.ellipse(box, outline=ink, width=thickness)


def _color(rng: random.Random, low: int, high: int) -> Color:
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))


_KINDS: dict[str, Callable[[ImageDraw.ImageDraw, random.Random, int, int], None]] = {
    "smiley": _smiley,
    "stripes": _stripes,
    "rings": _rings,
}
