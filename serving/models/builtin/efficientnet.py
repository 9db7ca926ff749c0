"""EfficientNet-Lite: its layers.

Lite differs from EfficientNet by ReLU6, no squeeze-and-excite, a first and a last stage that
are not repeated, and a stem and a head that are not widened. Source: Google's
EfficientNet-Lite (https://github.com/tensorflow/tpu, models/official/efficientnet/lite).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

EMBEDDING_SIZE = 1280
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
_STEM_CHANNELS = 32
_CHANNEL_STEP = 8
"""Numbers of channels are multiples of this."""


@dataclass(frozen=True)
class Variant:
    """One size of EfficientNet-Lite."""

    side: int
    """Of the input, in pixels."""
    width: float
    """Factor for the numbers of channels."""
    depth: float
    """Factor for the numbers of blocks."""


LITE0 = Variant(224, 1.0, 1.0)
LITE2 = Variant(260, 1.1, 1.2)


@dataclass(frozen=True)
class _Stage:
    blocks: int
    kernel: int
    stride: int
    """Of the first block; the others have 1."""
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Convolution:
    """A convolution, the batch normalization after it, and ReLU6 if it is activated."""

    name: str
    """As the file of weights has it, and as its constants in the graph begin."""
    norm: str
    """The batch normalization, as the file has it."""
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    is_depthwise: bool = False
    is_activated: bool = True

    @property
    def kernel_node(self) -> str:
        return f"servery/{self.name}/kernel"

    @property
    def bias_node(self) -> str:
        return f"servery/{self.name}/bias"

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """As TensorFlow has it: height, width, inputs, outputs (or 1 for each input)."""
        ends = (self.inputs, 1) if self.is_depthwise else (self.inputs, self.outputs)
        return (self.kernel, self.kernel, *ends)


@dataclass(frozen=True)
class Block:
    """Convolutions in a row; the block's input is added to their output if `is_residual`."""

    convolutions: tuple[Convolution, ...]
    is_residual: bool = False


def blocks(variant: Variant) -> Iterator[Block]:
    """Yield the network from the pixels to the last activations, stem and head included."""
    yield Block((Convolution("_conv_stem", "_bn0", 3, _STEM_CHANNELS, 3, 2),))
    inputs, number = _STEM_CHANNELS, 0
    for stage in _STAGES:
        outputs = _channels(stage.channels * variant.width)
        repeats = stage.blocks
        if stage not in (_STAGES[0], _STAGES[-1]):
            repeats = math.ceil(repeats * variant.depth)
        for repeat in range(repeats):
            stride = 1 if repeat else stage.stride
            yield _block(f"_blocks.{number}.", stage, inputs, outputs, stride)
            inputs, number = outputs, number + 1
    yield Block((Convolution("_conv_head", "_bn1", inputs, EMBEDDING_SIZE),))


def _block(prefix: str, stage: _Stage, inputs: int, outputs: int, stride: int) -> Block:
    inner = inputs * stage.expansion
    expand = Convolution(f"{prefix}_expand_conv", f"{prefix}_bn0", inputs, inner)
    depthwise = Convolution(
        f"{prefix}_depthwise_conv",
        f"{prefix}_bn1",
        inner,
        inner,
        stage.kernel,
        stride,
        is_depthwise=True,
    )
    project = Convolution(
        f"{prefix}_project_conv", f"{prefix}_bn2", inner, outputs, is_activated=False
    )
    convolutions = (expand, depthwise, project) if stage.expansion > 1 else (depthwise, project)
    return Block(convolutions, is_residual=stride == 1 and inputs == outputs)


def _channels(number: float) -> int:
    """Round to the nearest multiple of the step, but not down by more than a tenth."""
    rounded = max(_CHANNEL_STEP, int(number + _CHANNEL_STEP / 2) // _CHANNEL_STEP * _CHANNEL_STEP)
    return rounded + _CHANNEL_STEP if rounded < 0.9 * number else rounded
