"""Where a text protobuf is wrong, in the words and columns of protobuf's C++ parser.

People and programs know the line that the original prints. Its columns are those of bytes, with a
tab stop every eight of them, and it often names the token after the one that Python's parser names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf import text_format

_SKIPPED = re.compile(r"(?:\s+|\#[^\n]*)*", re.ASCII)
_TOKEN = re.compile(
    r"""[A-Za-z_]\w*|\.?[0-9][\w.]*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|.""",
    re.ASCII | re.DOTALL,
)
_TAB_WIDTH = 8
_LARGEST_NEGATIVE = 2**63

_AT_TOKEN = (
    (r"Expected identifier(?: or number, got .*|\.)", "Expected identifier, got: {token}"),
    (r"Expected string but found: .*", "Expected string, got: {token}"),
    (r"Couldn't parse integer: .*", "Expected integer, got: {token}"),
    (r'Expected ("[^"]*")\.', 'Expected {0}, found "{token}".'),
)
_AFTER_TOKEN = (
    (r'(Message type ".*" has no field named ".*"\.)', "{0}"),
    (r'(Field ".*" is specified along with .* of oneof ".*") for .*', "{0}."),
)
"""What Python's parser says, and what the C++ parser says, at the same token or the next one."""


class _Token(NamedTuple):
    text: str
    line: int
    """From 1, as columns are."""
    column: int
    character: int
    """The column as Python's parser counts it."""


def parse_error_line(type_name: str, text: str, error: text_format.ParseError) -> str:
    """Return the line that protobuf's C++ parser prints for text that Python's refused."""
    message = _message(text, error)
    prefix = f"Error parsing text-format {type_name}: "
    if error.GetLine() is None:
        return f"{prefix}{message}"
    tokens = _tokens(text)
    place = error.GetLine(), error.GetColumn()
    at = next(
        (index for index, each in enumerate(tokens) if (each.line, each.character) >= place),
        len(tokens) - 1,
    )
    token, message = _in_cpp(tokens, at, message)
    for each in (tokens[at], token):  # it reads a token before it looks whether it fits
        if error_in_it := _lexical_error(each, at_end=each.line == tokens[-1].line):
            token, message = error_in_it
            break
    return f"{prefix}{token.line}:{token.column}: {message}"


def _message(text: str, error: text_format.ParseError) -> str:
    """Return what Python's parser says, without the place and the line that it repeats."""
    if error.GetLine() is None:
        return str(error)
    line = text.split("\n")[error.GetLine() - 1]
    return str(error).partition(" : ")[2].removeprefix(f"'{line}': ").removeprefix("'': ")


def _in_cpp(tokens: Sequence[_Token], at: int, message: str) -> tuple[_Token, str]:
    """Return the token at which the C++ parser stops, and what it says."""
    token, after = tokens[at], tokens[min(at + 1, len(tokens) - 1)]
    if message == 'Expected "}".' and not after.text:  # Python's parser names the last token
        return after, "Expected identifier, got: "
    if found := re.fullmatch(r'Message .* not have multiple "(.*)" fields\.', message):
        name = max((index for index in range(at) if tokens[index].text == found[1]), default=at - 1)
        return tokens[name + 1], f'Non-repeated field "{found[1]}" is specified multiple times.'
    if found := re.fullmatch(r'Enum type ".*" has no value (?:named|with number) (.*)\.', message):
        field = next((each.text for each in reversed(tokens[:at]) if each.text != ":"), "")
        return after, f'Unknown enumeration value of "{found[1]}" for field "{field}".'
    if found := re.fullmatch(r"Value out of range: (-?)(.*)", message):
        # Only for a field that takes no sign is such a small one out of range.
        if found[1] and found[2].isdecimal() and int(found[2]) <= _LARGEST_NEGATIVE:
            return token, "Expected integer, got: -"
        return after if found[1] else token, f"Integer out of range ({found[2]})"
    for where, wordings in ((token, _AT_TOKEN), (after, _AFTER_TOKEN)):
        for pattern, wording in wordings:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                return where, wording.format(*found.groups(), token=token.text)
    return token, message


def _lexical_error(token: _Token, *, at_end: bool) -> tuple[_Token, str] | None:
    """Return where the C++ parser stops, and what it says, if this can be no token."""
    first = token.text[:1]
    if not first.isascii():
        return token, f"Interpreting non ascii codepoint {first.encode()[0]}."
    if first and not first.isprintable():
        return token, "Invalid control characters encountered in text."
    if not first or first not in "\"'" or (len(token.text) > 1 and token.text[-1] == first):
        return None
    end = token._replace(column=token.column + len(token.text.encode()))
    return end, (
        "Unexpected end of string."
        if at_end
        else 'Multiline strings are not allowed. Did you miss a "?.'
    )


def _tokens(text: str) -> list[_Token]:
    """Return all tokens, and one without text for the end."""
    tokens = []
    at, line, line_start, column = 0, 1, 0, 0
    while True:
        skipped = _SKIPPED.match(text, at)
        begin = skipped.end() if skipped else at
        for index in range(at, begin):
            column = _column_after(text[index], column)
            if text[index] == "\n":
                line, line_start = line + 1, index + 1
        found = _TOKEN.match(text, begin)
        tokens.append(_Token(found[0] if found else "", line, column + 1, begin - line_start + 1))
        if found is None:
            return tokens
        for character in found[0]:
            column = _column_after(character, column)
        at = found.end()


def _column_after(character: str, column: int) -> int:
    if character == "\n":
        return 0
    if character == "\t":
        return column + _TAB_WIDTH - column % _TAB_WIDTH
    return column + len(character.encode("utf-8", "surrogatepass"))
