from __future__ import annotations

import math
from operator import mul

import pytest
from PySide6.QtGui import QColor

from desktop.theme import state_mark
from desktop.theme.tokens import DARK, LIGHT, RESOURCES, Tokens

STATES = (
    "queued", "starting", "ready", "draining", "stopped", "failed", "answered", "unsure",
    "labelled", "running", "succeeded", "cancelled", "live",
)  # fmt: skip
INKS = ("text", "muted", "accent", "ready", "waiting", "draining", "failed", "neutral")
GROUNDS = ("window", "surface", "raised")


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of WCAG 2, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(name: str) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF())
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("ink", INKS)
def test_text_can_be_read_on_every_ground(scheme: Tokens, ground: str, ink: str) -> None:
    assert contrast(getattr(scheme, ink), getattr(scheme, ground)) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [("on_accent", "accent"), ("on_accent", "accent_hover"), ("text", "accent_soft"),
     ("muted", "accent_soft"), ("accent", "accent_soft"), ("failed", "accent_soft"),
     ("waiting", "accent_soft"), ("text", "hover"), ("muted", "hover"), ("muted", "sunken")],
)  # fmt: skip
def test_text_can_be_read_on_what_is_selected_or_pressed(
    scheme: Tokens, ink: str, ground: str
) -> None:
    assert contrast(getattr(scheme, ink), getattr(scheme, ground)) >= 4.5


CHART_COLORS = ("accent", "bar", "waiting", "heat_for", "heat_against")
CHART_PAIRS = [
    ("accent", "bar"), ("accent", "waiting"), ("bar", "sunken"), ("heat_for", "heat_against"),
    ("accent", "sunken"), ("waiting", "raised"), ("accent", "failed"),
]  # fmt: skip
"""What a chart tells apart by color, beside its length, its hatching or a mark."""
_VISION = {
    "all colors": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
}  # fmt: skip
"""Of linear red, green and blue: Machado, Oliveira and Fernandes (2009), severity 1."""
_XYZ = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8729))
"""Of linear sRGB, as shares of its white."""


def difference(first: str, second: str, vision: str) -> float:
    """Return the CIE 1976 color difference that someone with this vision sees; 2 is noticeable."""
    return math.dist(_lab(first, vision), _lab(second, vision))


def _lab(name: str, vision: str) -> tuple[float, float, float]:
    color = (QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF())
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
    seen = [min(1.0, max(0.0, sum(map(mul, row, linear)))) for row in _VISION[vision]]
    x, y, z = (
        share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116
        for share in (sum(map(mul, row, seen)) for row in _XYZ)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("vision", _VISION)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_everyone_can_tell_the_colors_of_charts_apart(scheme: Tokens, vision: str) -> None:
    for first, second in CHART_PAIRS:
        seen = difference(getattr(scheme, first), getattr(scheme, second), vision)
        assert seen >= 30, (first, second)


def test_colors_that_look_alike_to_some_would_be_found() -> None:
    red, green = "#c00000", "#5a6b00"
    assert difference(red, green, "all colors") > 60
    assert difference(red, green, "deuteranopia") < 30


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["surface", "raised", "sunken"])
@pytest.mark.parametrize("ink", CHART_COLORS)
def test_charts_can_be_seen_on_every_ground(scheme: Tokens, ground: str, ink: str) -> None:
    assert contrast(getattr(scheme, ink), getattr(scheme, ground)) >= 3


def test_green_is_only_for_ready() -> None:
    green = {state for state in STATES if state_mark(state).token == "ready"}
    assert green == {"ready", "live"}


def test_states_of_one_list_differ_by_more_than_colour() -> None:
    photos = ("queued", "answered", "unsure", "labelled", "failed")
    instances = ("starting", "ready", "draining", "stopped", "failed")
    runs = ("queued", "running", "succeeded", "failed", "cancelled")
    for states in (photos, instances, runs):
        assert len({state_mark(state).shape for state in states}) == len(states)


def test_an_unknown_state_has_no_mark() -> None:
    with pytest.raises(KeyError):
        state_mark("busy")


def test_every_icon_takes_the_given_color() -> None:
    # Qt reads those with a scheme in their name from the style sheet, as they are.
    by_scheme = [f"{name}-{scheme}" for name in ("chevron-down", "chevron-up", "check")
                 for scheme in ("light", "dark")]  # fmt: skip
    fixed = {"servery", *by_scheme}
    for path in (RESOURCES / "icons").glob("*.svg"):
        assert ("currentColor" in path.read_text()) is (path.stem not in fixed), path.name
