from __future__ import annotations

from pathlib import Path

import pytest

from desktop.preferences import damage_of_settings
from desktop.settings import OnQuit, Preferences, Settings, SettingsNotSaved
from desktop.theme import Appearance
from serving.background import in_background
from tests.support.damage import IN_ITS_PLACE, NO_TEXT, Damage
from tests.support.waiting import wait_until

NO_FILE = {**IN_ITS_PLACE, **NO_TEXT}


def test_choices_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    Settings(path).change(appearance=Appearance.DARK, unsure_below=0.25, window='odd "text" \\ é')
    read = Settings(path).preferences
    assert read == Preferences(
        appearance=Appearance.DARK, unsure_below=0.25, window='odd "text" \\ é'
    )
    assert isinstance(read.appearance, Appearance)


def test_the_file_of_the_version_before_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'appearance = "dark"\n'
        'engine = "process"\n'
        "unsure_below = 0.7\n"
        'on_quit = "keep running"\n'
        'put_off = "get an image"\n'
        'window = "AdnQywAD"\n'
    )
    assert Settings(path).preferences == Preferences(
        appearance=Appearance.DARK,
        engine="process",
        unsure_below=0.7,
        on_quit=OnQuit.KEEP,
        dismissed_action="get an image",
        window="AdnQywAD",
    )


def test_only_what_differs_from_the_defaults_is_written(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    Settings(path).change(on_quit=OnQuit.KEEP)
    assert path.read_text() == 'on_quit = "keep running"\n'


def test_a_file_that_makes_no_sense_counts_as_not_chosen(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("appearance = [")
    assert Settings(path).preferences == Preferences()
    path.write_text('appearance = "pink"\nengine = "process"\nunknown = 1\n')
    assert Settings(path).preferences == Preferences(engine="process")


def test_listeners_are_notified_until_they_unsubscribe(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "settings.toml")
    received: list[str] = []
    unsubscribe = settings.subscribe(lambda preferences: received.append(preferences.engine))
    settings.change(engine="docker")
    unsubscribe()
    settings.change(engine="auto")
    assert received == ["docker"]


@pytest.mark.parametrize("damage", NO_FILE.values(), ids=NO_FILE)
def test_a_damaged_file_is_kept_when_another_is_written(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "settings.toml"
    damage(path)
    settings = Settings(path)
    assert settings.preferences == Preferences()
    assert damage_of_settings(path) is not None
    settings.change(engine="process")
    assert path.read_text() == 'engine = "process"\n'
    assert damage_of_settings(path) is None
    assert len(list((tmp_path / "damaged").iterdir())) == 1


@pytest.mark.parametrize(
    "line",
    [
        "unsure_below = nan",
        "unsure_below = -inf",
        "unsure_below = 3",
        'unsure_below = "0.5"',
        "unsure_below = true",
        'engine = "rocket"',
        "engine = 3",
        "on_quit = []",
        "window = {a = 1}",
        "appearance = 2024-01-01",
        "appearance = " + "[" * 5000,
    ],
)
def test_an_invalid_value_counts_as_the_default_and_is_kept(tmp_path: Path, line: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"{line}\n")
    settings = Settings(path)
    assert settings.preferences == Preferences()
    assert damage_of_settings(path) is not None
    settings.change(on_quit=OnQuit.KEEP)
    (kept,) = (tmp_path / "damaged").iterdir()
    assert kept.read_text() == f"{line}\n"


def test_a_disk_that_refuses_is_reported_and_the_change_counts_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    settings = Settings(tmp_path / "file" / "settings.toml")
    errors: list[SettingsNotSaved] = []
    settings.on_error = errors.append
    assert settings.change(engine="docker").engine == "docker"
    assert settings.preferences.engine == "docker"
    assert "The settings could not be saved: " in str(errors[0])


async def test_what_a_disk_refused_is_saved_once_it_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.settings.RETRY_SECONDS", 0.0)
    folder = tmp_path / "folder"
    folder.touch()
    settings = Settings(folder / "settings.toml")
    settings.change(engine="docker")
    async with in_background(settings.keep_saved()):
        folder.unlink()
        await wait_until(lambda: Settings(folder / "settings.toml").preferences.engine == "docker")


def test_no_damage_is_found_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    assert damage_of_settings(path) is None
    path.touch()
    assert damage_of_settings(path) is None
    path.write_text("unknown = 1\nunsure_below = 1\n")
    assert damage_of_settings(path) is None
