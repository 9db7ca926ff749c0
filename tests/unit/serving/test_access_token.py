"""The token: made once, replaced when asked, never guessed and never empty."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from serving.access_token import AccessToken, TokenError, environment_token
from serving.secret_setting import SettingError
from tests.support.damage import DAMAGES, Damage


def test_it_is_made_once_for_the_person_alone(tmp_path: Path) -> None:
    token = AccessToken(tmp_path / "token")
    assert token.read() is None
    assert not token.matches("")
    before = os.umask(0)
    try:
        made = token.read_or_make()
    finally:
        os.umask(before)
    assert len(made) >= 40
    assert token.read_or_make() == made
    assert token.matches(made)
    assert not token.matches(made[:-1])
    assert not token.matches("é")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_new_one_replaces_it(tmp_path: Path) -> None:
    token = AccessToken(tmp_path / "token")
    first, second = token.read_or_make(), token.renew()
    assert first != second
    assert token.read() == second
    assert not token.matches(first)


def test_one_that_the_person_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery-staple\n")
    assert AccessToken(tmp_path / "token").read_or_make() == "correct-horse-battery-staple"


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    assert AccessToken(tmp_path / "token").read_or_make()


def test_a_file_that_holds_none_is_replaced_only_when_asked(tmp_path: Path) -> None:
    token = AccessToken(tmp_path / "token")
    token.path.write_text("too short")
    with pytest.raises(TokenError, match="--renew"):
        token.read_or_make()
    assert token.path.read_text() == "too short"
    assert token.renew() == token.read()


def test_a_folder_in_its_place_is_said_and_kept_when_another_is_made(tmp_path: Path) -> None:
    token = AccessToken(tmp_path / "token")
    token.path.mkdir()
    (token.path / "file").touch()
    with pytest.raises(TokenError):
        token.read_or_make()
    assert token.renew() == token.read()
    assert len(list(tmp_path.glob("damaged/*/file"))) == 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_whatever_is_in_its_place_is_no_token_and_a_new_one_can_be_made(
    tmp_path: Path, damage: Damage
) -> None:
    token = AccessToken(tmp_path / "token")
    damage(token.path)
    assert token.read() is None
    assert not token.matches("")
    if not token.path.is_file() or token.path.stat().st_size:
        with pytest.raises(TokenError, match="servery token --renew"):
            token.read_or_make()
    assert token.renew() == token.read_or_make()


def test_one_that_the_environment_gives_is_used_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = AccessToken(tmp_path / "token")
    token.renew()
    monkeypatch.setenv("SERVERY_TOKEN", "shared-by-every-replica")
    assert token.read() == token.read_or_make() == "shared-by-every-replica"
    assert token.matches("shared-by-every-replica")
    with pytest.raises(TokenError, match="SERVERY_TOKEN"):
        token.renew()


def test_a_file_that_the_environment_names_is_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, secret = AccessToken(tmp_path / "token"), tmp_path / "secret"
    monkeypatch.setenv("SERVERY_TOKEN_FILE", str(secret))
    assert token.read() is None
    with pytest.raises(SettingError, match="SERVERY_TOKEN_FILE"):
        environment_token()
    for each in ("the-first-of-two-secrets", "the-second-of-two-secrets"):
        secret.write_text(f"{each}\n")
        assert token.read() == environment_token() == each


@pytest.mark.parametrize("unusable", ["short", "with a space in the middle of it", "é" * 30])
def test_an_unusable_one_of_the_environment_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    monkeypatch.setenv("SERVERY_TOKEN", unusable)
    token = AccessToken(tmp_path / "token")
    with pytest.raises(TokenError, match="SERVERY_TOKEN"):
        token.read_or_make()
    assert not token.matches(unusable)
