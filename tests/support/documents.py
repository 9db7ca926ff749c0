"""The command lines that documents show, taken apart as a shell takes them apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*", re.DOTALL)
_OPERATORS = frozenset("();<>|&")


def shell_blocks(document: Path) -> list[str]:
    """Return the blocks of a Markdown file that are for a shell, or for none in particular."""
    return _BLOCK.findall(document.read_text())


def shell_lines(block: str) -> list[str]:
    """Return the lines of a block, each with those that a backslash at its end joins to it."""
    return [line for line in re.split(r"(?<!\\)\n", block) if line.strip()]


def servery_commands(line: str) -> Iterator[list[str]]:
    """Yield the words after each `servery` that a shell would run, without redirections."""
    for inner in _SUBSTITUTION.findall(line):
        yield from servery_commands(inner)
    lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if not set(token) <= _OPERATORS:
            words.append(token)
            continue
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words and words[0] == "servery":
            yield words[1:]
        words = []
