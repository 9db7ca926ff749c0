"""ICC profiles made by their bytes, and what they mean in plain arithmetic.

The arithmetic uses no color library, so that it can check one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_D50 = np.array([0.9642, 1.0, 0.8249])
_CURVE_POINTS = 1024
_INK_STEPS = 9


@dataclass(frozen=True)
class RgbSpace:
    """An RGB color space of three primaries and one tone curve."""

    name: str
    primaries: tuple[tuple[float, float, float], ...]
    """XYZ of red, green and blue, adapted to D50."""
    gamma: float | None
    """None for the curve of sRGB."""

    def from_srgb(self, colors: Floats) -> Floats:
        """Return sRGB colors, [..., 3] of 0 to 1, in this space."""
        xyz = srgb_to_linear(colors) @ np.array(SRGB.primaries)
        linear = np.clip(xyz @ np.linalg.inv(np.array(self.primaries)), 0, 1)
        return _linear_to_srgb(linear) if self.gamma is None else linear ** (1 / self.gamma)

    def profile(self, padding: int = 0) -> bytes:
        """Return the profile; `padding` bytes are added that say nothing."""
        tags = {f"{color}TRC": _curve(self.gamma) for color in "rgb"}
        for color, primary in zip("rgb", self.primaries, strict=True):
            tags[f"{color}XYZ"] = _xyz(primary)
        if padding:
            tags["ABCD"] = b"data" + bytes(8 + padding)
        return _profile(self.name, "RGB ", "XYZ ", tags)


SRGB = RgbSpace(
    "sRGB",
    ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    None,
)
DISPLAY_P3 = RgbSpace(
    "Display P3",
    ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    None,
)
ADOBE_RGB = RgbSpace(
    "Adobe RGB",
    ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    2.19921875,
)
PROPHOTO = RgbSpace(
    "ProPhoto RGB",
    ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    1.80078125,
)
SWAPPED = RgbSpace("Red is blue", SRGB.primaries[::-1], None)


def srgb_to_linear(colors: Floats) -> Floats:
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def srgb_to_lab_cmyk(colors: Floats) -> Floats:
    """Return sRGB colors in the four inks of `lab_cmyk_profile`, [..., 4] of 0 to 1."""
    relative = srgb_to_linear(colors) @ np.array(SRGB.primaries) / _D50
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29)
    lightness = 116 * f[..., 1] - 16
    a, b = 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])
    share = np.maximum(lightness, 1) / 100
    inks = ((a / share + 128) / 255, (b / share + 128) / 255, np.zeros_like(a), 1 - share)
    return np.stack(inks, axis=-1)


def grey_profile(gamma: float) -> bytes:
    return _profile("Grey", "GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def lab_cmyk_profile() -> bytes:
    """Return a profile of inks that nobody prints with, so that it shows if it is ignored.

    Cyan is Lab's a, magenta its b, both less with more black, which is the lack of lightness;
    yellow is nothing.
    """
    steps = np.linspace(0, 1, _INK_STEPS)
    # The first ink changes slowest.
    cyan, magenta, _, black = np.meshgrid(steps, steps, steps, steps, indexing="ij")
    share = 1 - black
    lab = (255 * share, 128 + (255 * cyan - 128) * share, 128 + (255 * magenta - 128) * share)
    colors = np.rint(np.stack(lab, axis=-1)).astype(np.uint8).tobytes()
    identity = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    ramp = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, _INK_STEPS, 0])
    table += identity + 4 * ramp + colors + 3 * ramp
    return _profile("Lab as inks", "CMYK", "Lab ", {"A2B0": table}, kind="prtr")


def _linear_to_srgb(linear: Floats) -> Floats:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    points = np.rint(srgb_to_linear(np.linspace(0, 1, _CURVE_POINTS)) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", _CURVE_POINTS) + points.tobytes()


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(
    name: str, space: str, connection: str, tags: dict[str, bytes], kind: str = "mntr"
) -> bytes:
    text = name.encode("ascii") + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    contents = {
        "desc": described,
        "cprt": b"text" + bytes(4) + b"None\0",
        "wtpt": _xyz((0.9642, 1.0, 0.8249)),
        **tags,
    }
    position = 128 + 4 + 12 * len(contents)
    table, body = struct.pack(">I", len(contents)), b""
    for tag, content in contents.items():
        padded = content + bytes(-len(content) % 4)
        table += tag.encode("ascii") + struct.pack(">II", position + len(body), len(content))
        body += padded
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sII4sQI3i",
        position + len(body), b"", 0x02400000, kind.encode(), space.encode(), connection.encode(),
        2020, 1, 1, 0, 0, 0, b"acsp", b"", 0, 0, b"", 0, 0, 0xF6D6, 0x10000, 0xD32D,
    )  # fmt: skip
    return header + bytes(128 - len(header)) + table + body
