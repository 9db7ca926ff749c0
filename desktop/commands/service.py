"""`servery service`: `servery serve` from the start of the machine on, run by systemd."""

from __future__ import annotations

import click

from desktop.commands import options
from desktop.commands.terminal import print_json, print_lines, print_message
from desktop.systemd_unit import UNIT_NAME, install_unit, remove_unit, unit_text
from serving.workspace import Workspace


@click.group()
def service() -> None:
    """Run `servery serve` as a service of systemd.

    It is a service of your own: it starts with your session, or with the machine once you have
    said so with `loginctl enable-linger`.
    """


_arguments = click.argument("arguments", nargs=-1, metavar="[-- OPTION...]")


@service.command()
@_arguments
@click.option("--now", is_flag=True, help="Start it at once, too.")
@options.as_json
@click.pass_obj
def install(workspace: Workspace, arguments: tuple[str, ...], now: bool, as_json: bool) -> None:
    """Install the service. Options of `servery serve` come after --, as in: -- --port 8090.

    Installing it again changes the options.
    """
    path = install_unit(unit_text(workspace.create(), _checked(arguments)), start=now)
    if as_json:
        print_json({"unit": UNIT_NAME, "path": str(path)})
        return
    print_message(f"The service is in {path}.")
    print_message(f"`systemctl --user status {UNIT_NAME}` says how it is.")


@service.command()
@_arguments
@click.pass_obj
def show(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    """Print the unit that `install` would write."""
    print_lines(unit_text(workspace, _checked(arguments)).rstrip("\n"))


@service.command()
@options.as_json
def uninstall(as_json: bool) -> None:
    """Stop the service, and remove it. Nothing else is lost."""
    path = remove_unit()
    if as_json:
        print_json({"unit": UNIT_NAME, "path": str(path)})
    else:
        print_message(f"The service is stopped, and {path} is removed.")


def _checked(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options of `servery serve`; raises click.UsageError for what are none."""
    from desktop.commands.serve import serve  # imports what the others need not wait for

    serve.make_context("servery serve", list(arguments), obj=click.get_current_context().obj)
    return arguments
