"""JPEG files of things that no starter model knows, drawn anew from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

Draw = Callable[[ImageDraw.ImageDraw, random.Random, int, int], None]


def smiley(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
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


def stripes(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
    """Slanted stripes in two colours."""
    color = tuple(rng.randint(0, 255) for _ in range(3))
    for start in range(-height, width, rng.randint(24, 60)):
        canvas.line((start, 0, start + height, height), fill=color, width=12)


def draw_photos(folder: Path, name: str, what: Draw, count: int, seed: int = 0) -> list[Path]:
    """Draw `count` photos of `what` into `folder`, each different; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        rng = random.Random(f"{name} {seed} {number}")
        width, height = rng.choice([(320, 240), (300, 300), (240, 320)])
        background = tuple(rng.randint(30, 225) for _ in range(3))
        image = Image.new("RGB", (width, height), background)
        what(ImageDraw.Draw(image), rng, width, height)
        path = folder / f"{name}-{number:02}.jpg"
        image.save(path, quality=90)
        paths.append(path)
    return paths
