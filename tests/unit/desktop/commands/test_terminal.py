"""Everything that a command prints has nothing in it that acts on a terminal."""

from __future__ import annotations

import ast
import json
import os
import unicodedata
from pathlib import Path

import pytest

from desktop.commands.terminal import (
    print_json,
    print_line,
    print_lines,
    print_message,
    print_table,
    table_lines,
)
from serving.text.visible import display_width
from tests.conftest import ROOT
from tests.support.hostile_names import NAMES

OUTPUT = {"echo", "secho", "print", "confirm", "prompt", "write", "pager", "echo_via_pager"}


def acting(text: str) -> list[str]:
    return [
        char
        for char in text.replace("\n", "")
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or (unicodedata.category(char) == "Cf" and char not in "\u200c\u200d")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_line_wherever_it_is_printed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_line(f"{NAMES[name]}: otter 91%")
    print_message(f"{NAMES[name]} was not found.")
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert text.count("\n") == 1
        assert acting(text) == []


@pytest.mark.parametrize("name", NAMES)
def test_columns_stay_in_line(name: str) -> None:
    header, first, second = table_lines(
        ("CLASS", "PHOTOS"), [(NAMES[name], "1"), ("otter", "2")], align_right=True
    )
    assert acting(header + first + second) == []
    assert display_width(first) == display_width(second)


def test_wide_letters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("CLASS", "PHOTOS"), [("カワウソ", "1"), ("otter", "2")])
    assert capsys.readouterr().out == "CLASS     PHOTOS\nカワウソ  1\notter     2\n"


def test_a_log_has_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines("Loaded a\x1b]0;owned\x07\r\nLoaded b\u202e")
    assert capsys.readouterr().out == "Loaded a\\x1b]0;owned\\x07\\r\nLoaded b\\u202e\n"


@pytest.mark.parametrize("name", NAMES)
def test_json_is_exact_and_acts_on_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"file": NAMES[name], NAMES[name]: 0.5}
    print_json(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert len(printed.splitlines()) == 1
    assert acting(printed) == []


def test_json_of_a_file_name_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    print_json({"file": name, "tag": "\U000e0041"})
    assert json.loads(capsys.readouterr().out) == {"file": name, "tag": "\U000e0041"}


def sources() -> list[Path]:
    found = [*(ROOT / "desktop" / "commands").rglob("*.py"), ROOT / "desktop" / "cli.py"]
    return [path for path in found if path.name != "terminal.py"]


def test_no_command_prints_by_itself() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "print")
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in OUTPUT
                and ast.unparse(node.func.value) in ("click", "sys.stdout", "sys.stderr")
            )
        )
    ]
    assert found == []
