"""What messages, help texts and documents tell people to do exists."""

from __future__ import annotations

import ast
import gc
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from desktop.cli import main
from desktop.main_window import PageName
from tests.architecture.test_documents import DOCUMENTS
from tests.conftest import ROOT
from tests.support.documents import servery_commands, shell_blocks, shell_lines

PROGRAMS = [
    *(path for folder in ("desktop", "backend", "serving") for path in (ROOT / folder).rglob("*")),
    ROOT / "run.py",
]
SOURCES = sorted(path for path in PROGRAMS if path.suffix in (".py", ".js", ".html"))
INLINE = re.compile(r"`servery(?: ([^`]*))?`")
PAGE = re.compile(r"\b(?:the|The) ([A-Z][a-z]+) page\b")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]+")
NOT_OF_THE_COMMAND_LINE = {
    *("--model_config_file", "--mount", "--no-deps", "--out", "--run-module"),
    *("--cert", "--detach", "--key", "--label-add", "--scale", "--token"),
    "--user",
}
"""Options of other programs: the model server, `docker`, pip, systemd, modules for developers."""
NOT_OF_THE_WINDOW = {"prometheus"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@pytest.fixture(scope="module", autouse=True)
def _trees() -> Iterator[None]:
    """Give the trees back after these tests: they are millions of objects.

    Until then nothing looks through them for garbage, again and again as they come.
    """
    gc.disable()
    yield
    gc.enable()
    texts.cache_clear()
    tree_of.cache_clear()


@cache
def texts(path: Path) -> tuple[str, ...]:
    """Return what a file says to people: its strings, docstrings included, or the whole file."""
    if path.suffix != ".py":
        return (path.read_text(),)
    found: list[str] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.JoinedStr):
            parts = (str(p.value) if isinstance(p, ast.Constant) else "NAME" for p in node.values)
            found.append("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return tuple(found)


def commands_named_in(path: Path) -> Iterator[list[str]]:
    """Yield the words after `servery` wherever the file names a command."""
    for text in texts(path):
        for match in INLINE.finditer(" ".join(text.split()) if path.suffix == ".py" else text):
            yield shlex.split(match[1] or "")
    if path.suffix == ".md":
        for line in (line for block in shell_blocks(path) for line in shell_lines(block)):
            if "servery " in line:
                yield from servery_commands(line)


def unknown_word(words: list[str]) -> str | None:
    """Return the first word of a command line that `servery` would not understand, or None."""
    command: click.Command = main
    context = click.Context(main)
    for word in words:
        if word == "--":  # What follows is for a command of another name.
            return None
        if word.startswith("-") and word != "-":
            names = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in names | {"--help", "-h"}:
                return word
        elif isinstance(command, click.Group):
            if word.isupper() or word == "…":  # Stands for any command.
                return None
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
    return None


def test_every_command_that_is_named_exists() -> None:
    unknown = [
        f"{path.relative_to(ROOT)}: servery {' '.join(words)}"
        for path in [*SOURCES, *DOCUMENTS]
        for words in commands_named_in(path)
        if unknown_word(words) is not None
    ]
    assert unknown == []


def options_of(command: click.Command) -> Iterator[str]:
    """Yield the options of a command and of all below it."""
    for each in command.params:
        yield from (*each.opts, *each.secondary_opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from options_of(found)


def options_named_in(path: Path) -> Iterator[str]:
    """Yield the options in the sentences of a file; a text without a space is an option itself."""
    for text in texts(path):
        if " " in text.strip():
            yield from OPTION.findall(text)


def test_every_option_that_a_sentence_names_exists() -> None:
    known = {*options_of(main), "--help", *NOT_OF_THE_COMMAND_LINE}
    unknown = [
        f"{path.relative_to(ROOT)}: {option}"
        for path in SOURCES
        if path.suffix == ".py" and not path.is_relative_to(ROOT / "serving/model_server")
        for option in options_named_in(path)
        if option not in known
    ]
    assert unknown == []


def test_every_page_that_is_named_exists() -> None:
    pages = {page.value for page in PageName} | NOT_OF_THE_WINDOW
    unknown = [
        f"{path.relative_to(ROOT)}: the {name} page"
        for path in [*SOURCES, *DOCUMENTS]
        for text in texts(path)
        for name in PAGE.findall(" ".join(text.split()))
        if name.lower() not in pages
    ]
    assert unknown == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert unknown_word(["fleet", "scale", "2"]) is None
    assert unknown_word(["fleet", "scale", "2", "--json"]) is None
    assert unknown_word(["fleet", "COMMAND", "--fast"]) is None
    assert unknown_word(["import", "folder"]) == "import"
    assert unknown_word(["fleet", "scale", "2", "--fast"]) == "--fast"


def test_advice_names_nothing_that_cannot_be_done() -> None:
    for path in SOURCES:
        for text in texts(path):
            assert "import the model" not in text.lower(), path


COMPOSED = {
    "DamagedFile": "its advice is always the same",
    "EngineUnavailable": "its reasons are joined, and the advice comes after the last",
    "ScreenLost": "goes to the log of a program that ends",
    "TrainingRunFailed": "the run's own sentence says what to do",
}
"""Errors that need no advice where they are raised, and why."""
CIRCULAR = re.compile(
    r"\s*|(please )?(try|do|run|send)( (it|this|that))? again[.!]?", re.IGNORECASE
)
"""Says no more than that it failed."""


@cache
def errors_of_servery() -> Mapping[str, bool]:
    """Return ServeryError and all that derive from it: do they write their advice themselves?"""
    classes = {
        node.name: node
        for path in SOURCES
        if path.suffix == ".py"
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef)
    }
    bases = {
        name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for name, node in classes.items()
    }
    found = {"ServeryError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return {
        name: name != "ServeryError"
        and any(getattr(each, "name", "") == "__init__" for each in classes[name].body)
        for name in found
    }


def poor_advice(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that make an error whose advice is empty or circular."""
    errors = errors_of_servery()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if name not in errors or any(isinstance(each, ast.Starred) for each in node.args):
            continue
        *others, advice = node.args
        if not others:
            if name not in COMPOSED and not errors[name]:
                yield node.lineno
        elif isinstance(advice, ast.Constant) and CIRCULAR.fullmatch(str(advice.value)):
            yield node.lineno


def test_every_error_says_what_to_do_next() -> None:
    assert len(errors_of_servery()) > 40
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path.suffix == ".py"
        for line in poor_advice(tree_of(path))
    ]
    assert found == []


def test_advice_that_leads_nowhere_is_found() -> None:
    planted = ast.parse(
        "raise ModelError('It failed.')\n"
        "raise ModelError('It failed.', '')\n"
        "raise ModelError('It failed.', 'Try it again.')\n"
        "raise ModelError('It failed.', 'Please try again!')\n"
        "raise ModelError('It failed.', 'Start an instance, then try again.')\n"
    )
    assert list(poor_advice(planted)) == [1, 2, 3, 4]
