"""The `servery` command. Only the window imports Qt."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from serving.errors import ServeryError
from serving.private import set_private_umask
from serving.version import VERSION
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace

EXIT_INTERRUPTED = 130
"""The exit code that shells expect after Ctrl+C."""

COMMANDS = {
    "classify": "desktop.commands.classify",
    "doctor": "desktop.commands.doctor",
    "fleet": "desktop.commands.fleet",
    "image": "desktop.commands.image",
    "label": "desktop.commands.learn",
    "models": "desktop.commands.models.group",
    "promote": "desktop.commands.learn",
    "serve": "desktop.commands.serve",
    "token": "desktop.commands.token",
    "train": "desktop.commands.learn",
}
"""The module of each command; imported when it is run, so that the window need not wait."""


class _Commands(click.Group):
    """Loads the commands lazily and prints a ServeryError as a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ServeryError as error:
            raise CliError(str(error)) from error
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(EXIT_INTERRUPTED)


class CliError(click.ClickException):
    """Ends the command with exit code 1 and a sentence on stderr."""

    def show(self, file: Any = None) -> None:
        click.echo(f"servery: {self.format_message()}", err=True)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    help="Folder that holds all state.  [default: the platform's data folder]",
)
@click.version_option(VERSION, prog_name="servery", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, workspace: Path | None) -> None:
    """Run, use and train an image classifier on your own machine.

    Without a command, the window opens.
    """
    set_private_umask()
    context.obj = Workspace(workspace.expanduser().resolve()) if workspace else Workspace.default()
    if context.invoked_subcommand is None:
        from desktop.app import Options, run  # Qt, which commands do without

        context.exit(run(Options(context.obj)))


if __name__ == "__main__":
    main(prog_name="servery")
