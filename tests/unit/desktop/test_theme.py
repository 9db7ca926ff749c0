from __future__ import annotations

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
