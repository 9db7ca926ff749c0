"""Every command of `servery`, found through the groups that hold them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from desktop.cli import main


def all_commands() -> dict[str, click.Command]:
    """Return what does something, by its words: "models versions"; the window by ""."""
    return dict(_below((), main, click.Context(main, info_name="servery")))


def _below(
    words: tuple[str, ...], command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield " ".join(words), command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _below((*words, name), found, click.Context(found, context, name))
