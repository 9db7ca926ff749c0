"""Image files as pictures of the size that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPixmap

from serving.normalize_image import MAX_PIXELS


def decode_picture(file: Path | BinaryIO, side: int, *, cover: bool = True) -> QImage:
    """Return the picture, turned as its EXIF says; a null image if it cannot be decoded.

    It is scaled down so that it just covers a square of `side` pixels, or without `cover`
    just fits one. May be called on any thread.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                return QImage()
            longer, shorter = max(image.size), min(image.size)
            share = min(1.0, side / max(1, shorter if cover else longer))
            target = (max(1, round(image.width * share)), max(1, round(image.height * share)))
            image.draft("RGB", target)
            small = image.convert("RGBA" if _has_alpha(image) else "RGB")
            small = small.resize(target, Image.Resampling.LANCZOS, reducing_gap=2.0)
            oriented = ImageOps.exif_transpose(small)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return QImage()
    form = QImage.Format.Format_RGBA8888 if oriented.mode == "RGBA" else QImage.Format.Format_RGB888
    data = oriented.tobytes()
    stride = len(oriented.mode) * oriented.width
    return QImage(data, oriented.width, oriented.height, stride, form).copy()


def center_crop(picture: QPixmap, frame: QRectF) -> QRectF:
    """Return the middle part of `picture` that has the shape of `frame`."""
    width, height = float(picture.width()), float(picture.height())
    shape = frame.width() / frame.height()
    part = QRectF(0, 0, min(width, height * shape), min(height, width / shape))
    part.moveCenter(QRectF(0, 0, width, height).center())
    return part


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
