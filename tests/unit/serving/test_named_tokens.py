"""Tokens that are kept as hashes, and refused once they are revoked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.access_token import TokenError
from serving.named_tokens import TOKEN_PREFIX, NamedTokens, TokenRole
from serving.state_files import DamagedFile


@pytest.fixture
def tokens(tmp_path: Path) -> NamedTokens:
    return NamedTokens(tmp_path / "tokens.json")


def test_a_token_is_found_until_it_is_revoked(tokens: NamedTokens) -> None:
    made, text = tokens.create("phone", TokenRole.LABEL, 30)
    other = NamedTokens(tokens.path)  # another program
    assert tokens.find(text) == other.find(text) == made
    tokens.revoke("Phone")
    assert tokens.find(text) is None
    assert other.find(text) is None


def test_only_a_hash_is_kept(tokens: NamedTokens) -> None:
    _, text = tokens.create("phone", TokenRole.CLASSIFY)
    assert text.startswith(TOKEN_PREFIX)
    assert text.removeprefix(TOKEN_PREFIX) not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o077 == 0


def test_a_taken_name_and_no_name_are_refused(tokens: NamedTokens) -> None:
    tokens.create("phone", TokenRole.CLASSIFY)
    with pytest.raises(TokenError, match="already"):
        tokens.create("PHONE", TokenRole.LABEL)
    for name in ("", " ", "a\nb", "\x1b[2J", "-x", "x" * 60, "naïve"):
        with pytest.raises(TokenError, match="cannot be the name"):
            tokens.create(name, TokenRole.LABEL)
    with pytest.raises(TokenError, match="There is no token"):
        tokens.revoke("tablet")


def holding(**changed: str) -> str:
    """Return the content of a file with one token of which something is changed."""
    kept = {"name": "a", "role": "label", "digest": "0" * 64, "created": "", **changed}
    return json.dumps({"tokens": [kept]})


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"tokens": 1}',
        '{"tokens": [{"name": "a"}]}',
        holding(role="king"),
        holding(digest="0"),
        holding(name="\n"),
    ],
)
def test_a_damaged_file_lets_nobody_in_and_is_not_overwritten(
    tokens: NamedTokens, content: str
) -> None:
    _, text = tokens.create("phone", TokenRole.CLASSIFY)
    tokens.path.write_text(content)
    assert tokens.find(text) is None
    with pytest.raises(DamagedFile):
        tokens.read()
    with pytest.raises(TokenError):
        tokens.create("tablet", TokenRole.CLASSIFY)
    assert tokens.path.read_text() == content


def test_each_role_may_do_what_those_before_it_may() -> None:
    may = [[role.may(needed) for needed in TokenRole] for role in TokenRole]
    assert may == [[True, False, False], [True, True, False], [True, True, True]]
