"""Pictures of classes that no model here knows, each seed another one."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw


def draw_image(kind: str, seed: int) -> bytes:
    """Return a photo-sized JPEG of stripes or of rings."""
    rng = random.Random(f"{kind}{seed}")
    side = rng.randint(160, 320)
    image = Image.new("RGB", (side, side), _colour(rng, 150, 255))
    draw = ImageDraw.Draw(image)
    ink, width = _colour(rng, 0, 90), rng.randint(12, 24)
    if kind == "stripes":
        for x in range(-side, side, 2 * width):
            draw.line([(x, 0), (x + side // 2, side)], fill=ink, width=width)
    else:
        middle = side // 2 + rng.randint(-20, 20)
        for radius in range(width, side, 2 * width):
            box = [middle - radius, middle - radius, middle + radius, middle + radius]
            draw.ellipse(box, outline=ink, width=width)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _colour(rng: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))
