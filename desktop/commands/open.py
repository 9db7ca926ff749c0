"""`servery open`: the window, with photos; one that is open already takes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from desktop import desktop_entry
from desktop.commands.terminal import print_message
from desktop.formats import plural
from desktop.preferences import usable_preferences
from desktop.running_window import hand_over
from desktop.screen import screen_fault
from desktop.translation import use_language
from serving.errors import ImageError, ServeryError
from serving.image_file import IMAGE_SUFFIXES
from serving.workspace import Workspace


class NoScreen(ServeryError):
    """No screen answers on which a window could open."""


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path())
@click.option(
    "--add-to-menu",
    is_flag=True,
    help="Add Servery to the menu of applications and to “Open with”, for you alone.",
)
@click.option("--remove-from-menu", is_flag=True, help="Remove it from there.")
@click.pass_obj
@click.pass_context
def open(
    context: click.Context,
    workspace: Workspace,
    files: Sequence[str],
    add_to_menu: bool,
    remove_from_menu: bool,
) -> None:
    """Open the window and classify photos and folders in it.

    If it is open already, it takes them and comes to the front. `servery FILE...` is short for
    this; a file that is named like a command is then written as ./NAME.
    """
    if add_to_menu:
        print_message(f"Servery is in the menu: {desktop_entry.add_to_menu()}.")
        return
    if remove_from_menu:
        was_there = desktop_entry.remove_from_menu()
        print_message(f"Servery {'is no more' if was_there else 'was not'} in the menu.")
        return
    paths = [Path(file).absolute() for file in files]
    for path in paths:
        if not _may_exist(path):
            raise ImageError(f"There is no file {path}.", "Name a photo or a folder of photos.")
    context.exit(show_window(workspace, paths))


def show_window(workspace: Workspace, paths: Sequence[Path] = ()) -> int:
    """Open the window, or have the one that is open show itself; returns the exit code."""
    if hand_over(workspace, paths):
        took = f" It took {plural(len(paths), 'file')}." if paths else ""
        print_message(f"Servery's window is open already.{took}")
        return 0
    if fault := screen_fault(os.environ):
        # Qt would end the process with a list of its plugins.
        raise NoScreen(fault.what, fault.advice)
    # Before the modules of the window, since some make their texts while they are imported.
    use_language(usable_preferences(workspace.settings).language)
    from desktop.app import Options, run  # Qt, which commands do without

    return run(Options(workspace, photos=tuple(paths)))


def names_file(word: str) -> bool:
    """Whether a word in the place of a command is meant as a file or a folder."""
    path = Path(word)
    return (
        len(path.parts) > 1
        or path.suffix.lower() in IMAGE_SUFFIXES
        or word in (".", "..")
        or _exists(path)
    )


def _may_exist(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # its reader says what is wrong with it


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
