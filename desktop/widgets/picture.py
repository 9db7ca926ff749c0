"""Image files as pictures of the size that is shown."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QRectF, QSizeF, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPixmap

from desktop import theme
from serving.decoding_memory import OWN_PHOTOS
from serving.decoding_plan import plan_decoding
from serving.errors import ImageError
from serving.grey_levels import has_many_levels, to_grey
from serving.image_file import UnusableImage, open_image, turn_to_upright
from serving.normalize_image import MAX_SIDE, read_image
from serving.srgb import to_srgb

_LANCZOS = Image.Resampling.LANCZOS


def decode_picture(file: Path | bytes, side: int, *, cover: bool = True) -> QImage:
    """Return the picture, upright and in the colors that the model sees.

    It is scaled down so that it just covers a square of `side` pixels, or without `cover` just
    fits one. A null image if it cannot be decoded. May be called on any thread.
    """
    try:
        data = read_image(file) if isinstance(file, Path) else file
        try:
            upright = _decoded(data, side, cover, at_reduced_scale=True)
        except UnusableImage:  # lossless JPEG can only be decoded as it is
            upright = _decoded(data, side, cover, at_reduced_scale=False)
    except ImageError:
        return QImage()
    form = QImage.Format.Format_RGBA8888 if upright.mode == "RGBA" else QImage.Format.Format_RGB888
    data = upright.tobytes()
    stride = len(upright.mode) * upright.width
    return QImage(data, upright.width, upright.height, stride, form).copy()


def center_crop(picture: QPixmap | QImage, frame: QRectF) -> QRectF:
    """Return the middle part of `picture` that has the shape of `frame`."""
    width, height = float(picture.width()), float(picture.height())
    shape = frame.width() / frame.height()
    part = QRectF(0, 0, min(width, height * shape), min(height, width / shape))
    part.moveCenter(QRectF(0, 0, width, height).center())
    return part


def fitted_size(picture: QPixmap, room: QSizeF) -> QSizeF:
    """Return how large the whole picture is painted in `room`: at most twice its pixels."""
    fitted = QSizeF(picture.size()).scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
    return QSizeF(picture.size() * 2) if fitted.width() > 2 * picture.width() else fitted


def paint_fitted(painter: QPainter, frame: QRectF, picture: QPixmap | None, ratio: float) -> QRectF:
    """Paint the whole picture in the middle of `frame`, at most twice as large as its pixels.

    Without one the empty frame is painted, and a mark in it if the picture is null; `ratio` is
    the number of device pixels in a pixel. Returns what the picture fills, to which the painter
    is clipped; an empty rectangle without one.
    """
    if picture is None or picture.isNull():
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
    if picture is None:
        return QRectF()
    if picture.isNull():
        theme.paint_icon(painter, frame.center(), "broken", "muted", 48, ratio)
        return QRectF()
    target = QRectF(frame.topLeft(), fitted_size(picture, frame.size()))
    target.moveCenter(frame.center())
    outline = QPainterPath()
    outline.addRoundedRect(target, theme.CORNER, theme.CORNER)
    painter.setClipPath(outline)
    painter.drawPixmap(target, picture, picture.rect().toRectF())
    return target


def _decoded(data: bytes, side: int, cover: bool, *, at_reduced_scale: bool) -> Image.Image:
    with ExitStack() as memory, open_image(data) as image:
        longer, shorter = max(image.size), min(image.size)
        share = min(1.0, side / max(1, shorter if cover else longer), MAX_SIDE / longer)
        target = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        if at_reduced_scale:
            image.draft("RGB", target)
        cost = plan_decoding(image, len(data), max(target)).cost
        memory.enter_context(OWN_PHOTOS.reserve(cost))
        small = to_srgb(_smoothly_scalable(image).resize(target, _LANCZOS, reducing_gap=2.0))
        turn = turn_to_upright(image)
        return small if turn is None else small.transpose(turn)


def _smoothly_scalable(image: Image.Image) -> Image.Image:
    """Return the image without a palette and the like, whose pixels cannot be mixed.

    Nor can those of many levels, of which all say what is white.
    """
    if has_many_levels(image):
        grey = to_grey(image)
        grey.info["icc_profile"] = image.info.get("icc_profile")
        return grey
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("P", "1") else image
