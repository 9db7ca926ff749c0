"""Text from outside has nothing in it that acts where it is shown."""

from __future__ import annotations

import os
import unicodedata

import pytest

from serving.text.visible import display_width, shortened, visible

ACTING = {
    "a newline": ("otter\nFAKE", r"otter\nFAKE"),
    "a return": ("otter\rFAKE", r"otter\rFAKE"),
    "a tab": ("a\tb", r"a\tb"),
    "an escape sequence": ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    "a title sequence": ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
    "the control sequence introducer of C1": ("\x9b2J", r"\x9b2J"),
    "next line": ("a\x85b", r"a\x85b"),
    "backspaces": ("safe\b\b\b\bevil", r"safe\x08\x08\x08\x08evil"),
    "delete and nul": ("\x7f\x00", r"\x7f\x00"),
    "a right-to-left override": ("gpj\u202eexe", r"gpj\u202eexe"),
    "isolates": ("\u2066a\u2069", r"\u2066a\u2069"),
    "marks of direction": ("\u200ea\u200fb\u061c", r"\u200ea\u200fb\u061c"),
    "zero-width spaces": ("o\u200btter\ufeff\u2060", r"o\u200btter\ufeff\u2060"),
    "a joiner between Latin letters": ("o\u200dt\u200ct", r"o\u200dt\u200ct"),
    "a joiner at an end": ("\u200dم\u200c", "\\u200dم\\u200c"),
    "joiners in a row": ("م\u200d\u200dم", "م\\u200d\\u200dم"),
    "separators of lines": ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
    "a soft hyphen": ("ot\u00adter", r"ot\xadter"),
    "tags": ("a\U000e0041", r"a\U000e0041"),
    "interlinear annotations": ("\ufff9a\ufffb", r"\ufff9a\ufffb"),
    "fillers": ("\u3164\u2800", r"\u3164\u2800"),
    "a byte that is no UTF-8": (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
    "half of a pair": ("\ud83d", r"\ud83d"),
}
HARMLESS = (
    "otter",
    "R&D <b>",
    "naïve façade",
    "e\u0301t\u00e9",
    "カワウソ",
    "水\u3000獺",
    "10\u00a0kg",
    "חתול",
    "می\u200cشود",
    "क\u094d\u200dष",
    "👩\u200d👧",
    "❤\ufe0f\u200d🔥",
)


@pytest.mark.parametrize("name", ACTING)
def test_control_and_format_characters_are_escaped(name: str) -> None:
    text, shown = ACTING[name]
    assert visible(text) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_no_control_or_format_character_is_left_of_all_that_there_are() -> None:
    everything = "a".join(map(chr, range(0x110000)))
    categories = {unicodedata.category(char) for char in visible(everything)}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_stacks_of_marks_are_cut() -> None:
    assert len(visible("z" + "\u0336\u0353\u0300" * 200 + "o")) < 10


def test_newlines_stay_where_they_are_ours() -> None:
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize(
    ("text", "columns"), [("otter", 5), ("カワウソ", 8), ("e\u0301", 1), ("🦦", 2), ("ﾊﾝ", 2)]
)
def test_columns_of_a_terminal(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_a_long_text_is_shortened() -> None:
    assert shortened("otter", 5) == "otter"
    assert shortened("o" * 10_000, 5) == "oooo…"
