from __future__ import annotations

from pathlib import Path

from desktop.settings import OnQuit, Preferences, Settings
from desktop.theme import Appearance


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
