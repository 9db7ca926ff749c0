"""What a model takes and gives, from its signature, its graph, and a few photos given to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from serving.errors import ModelError
from serving.importing.head_split import last_activation, split_head
from serving.importing.hints import resized_inside, scaled_inside
from serving.importing.interface import (
    Channels,
    Corrections,
    InputKind,
    Interface,
    ModelFormat,
    OutputKind,
    Resize,
    ValueRange,
)
from serving.importing.network import Network
from serving.importing.source import Source

DEFAULT_SIDE = 224
_SUM_TOLERANCE = 1e-2


def find_interface(source: Source, photos: Sequence[bytes]) -> Interface:
    """Return what a model takes and gives; `guessed` names what is not in its file.

    `photos` are JPEG files that it is asked about.
    """
    guessed: list[str] = []
    width = source.output_shape[1]
    assert width is not None
    activation = last_activation(source.graph, source.output)
    interface = Interface(
        signature=source.signature,
        takes=source.takes,
        height=None,
        width=None,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        resize=Resize.CROP,
        gives=OutputKind.SCORES,
        classes=2 if width == 1 else width,
        exclusive=width == 1 or activation.kind != "sigmoid",
    )
    if source.takes is not InputKind.JPEG:
        interface = _with_pixels(source, interface, guessed)
    if not activation.kind:
        interface = replace(interface, gives=_gives(source, interface, photos))
        guessed.append("gives")
    split = split_head(source.graph, source.output, width, interface.gives)
    size = len(split.kernel) if split.is_layer else None
    return replace(interface, embedding_size=size, guessed=tuple(guessed))


def corrected(interface: Interface, corrections: Corrections) -> Interface:
    """Return an interface with what a person says about it, which is not guessed any more."""
    said = {
        each.name: value
        for each in fields(corrections)
        if (value := getattr(corrections, each.name)) is not None and each.name != "signature"
    }
    guessed = tuple(name for name in interface.guessed if name not in said)
    result = replace(interface, **said, guessed=guessed)
    if result.gives is OutputKind.LOGITS:
        result = replace(result, exclusive=True)
    return result


def _with_pixels(source: Source, interface: Interface, guessed: list[str]) -> Interface:
    _, height, width, channels = source.shape
    resize = _resize(source)
    if height is None or width is None:
        size = resized_inside(source.graph, source.input)
        if size is None:
            guessed += ["height", "width"]
        else:
            resize = Resize.STRETCH
        height, width = size or (height or DEFAULT_SIDE, width or DEFAULT_SIDE)
    if source.format not in (ModelFormat.TEACHABLE_MACHINE, ModelFormat.LOBE):
        guessed.append("resize")
    value_range, order = _values(source, guessed)
    if channels == 1:
        order = Channels.GRAY
    elif source.hints.channels is None and not source.hints.stated:
        guessed.append("channels")
    return replace(
        interface,
        height=height,
        width=width,
        resize=resize,
        value_range=value_range,
        channels=order,
    )


def _resize(source: Source) -> Resize:
    # Keras's `image_dataset_from_directory` stretches; the two exporters cut the middle out.
    crops = source.format in (ModelFormat.TEACHABLE_MACHINE, ModelFormat.LOBE)
    return Resize.CROP if crops else Resize.STRETCH


def _values(source: Source, guessed: list[str]) -> tuple[ValueRange, Channels]:
    hints = source.hints
    if source.takes is InputKind.UINT8:
        return ValueRange.BYTES, Channels.RGB
    if hints.stated and hints.value_range is not None:
        return hints.value_range, hints.channels or Channels.RGB
    inside = scaled_inside(source.graph, source.input)
    if inside is not None:
        return inside, Channels.RGB
    guessed.append("value_range")
    return hints.value_range or ValueRange.UNIT, hints.channels or Channels.RGB


def _gives(source: Source, interface: Interface, photos: Sequence[bytes]) -> OutputKind:
    """Say whether the values for photos are scores: 0 to 1, with the sum 1."""
    try:
        values = Network(source, interface).reference(photos)
    except (ModelError, ValueError):
        return OutputKind.SCORES
    return OutputKind.SCORES if are_scores(values) else OutputKind.LOGITS


def are_scores(values: Any) -> bool:
    """Say whether each row is a distribution of probabilities."""
    sums = values.sum(axis=1)
    return bool((values >= 0).all() and np.allclose(sums, 1, atol=_SUM_TOLERANCE))
