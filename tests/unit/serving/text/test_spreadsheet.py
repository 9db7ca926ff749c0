"""No name becomes a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from serving.text.spreadsheet import cell, csv_text
from tests.support.hostile_names import NAMES

FORMULAS = (
    *("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "-1.5", "=", "\t=1", "\r=1", "\n=1"),
    *(
        "  =1",
        "\u3000=1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "\x00=1",
        "\x1b=1",
        "\tplain",
        "\rplain",
    ),
    *("\uff1d1", "\uff0b1", "\uff0d1", "\uff201", " \uff1d1", "\u22121"),
    *(
        '"=1',
        "'=1",
        "''=1",
        '" =1',
        "otter\n=1",
        "otter\r\n=1",
        'otter";=1',
        "otter,=1",
        "otter;=1",
    ),
    *('=HYPERLINK("http://x")', "'\u202e=1", 'otter"\n"=1', "a\t=1"),
)
PLAIN = (
    "otter",
    "/album/a, b.jpg",
    "a-b",
    "R&D",
    "x=1",
    "1+1",
    "e@x",
    "カワウソ",
    "it's",
    "",
    "a - b",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_what_could_be_a_formula_begins_with_an_apostrophe(text: str) -> None:
    shown = str(cell(text))
    assert shown.startswith("'")
    assert not set(shown) & set("\t\r\n\x00\x1b")


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_that_is_no_formula_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_numbers_of_ours_stay_numbers() -> None:
    assert [cell(value) for value in (-1.5, 0.75, 3, None)] == [-1.5, 0.75, 3, None]
    text = csv_text(("file", "score"), [{"file": "a", "score": -1.5}, {"file": "b", "score": None}])
    assert text == '"file","score"\r\n"a",-1.5\r\n"b",""\r\n'


@pytest.mark.parametrize("name", [*NAMES.values(), *FORMULAS])
def test_a_record_is_one_line_and_no_cell_of_it_a_formula(name: str) -> None:
    text = csv_text(("file", "class"), [{"file": name, "class": f"x{name}"}])
    assert text.count("\n") == 2
    for row in csv.reader(io.StringIO(text)):
        for each in row:
            assert each.lstrip(" \u00a0\u3000")[:1] not in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_with_another_separator(separator: str) -> None:
    text = csv_text(("class",), [{"class": 'otter";=1+1;"'}, {"class": "otter\t=1"}])
    for row in csv.reader(io.StringIO(text), delimiter=separator):
        assert not any(each.startswith("=") for each in row)
