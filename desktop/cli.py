"""The `servery` command. Only the window imports Qt."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from desktop.commands.terminal import (
    keep_streams_open,
    print_message,
    protect_terminal,
    refused_output,
)
from serving.errors import ServeryError, system_error
from serving.installation import PackageMissing, find_fault
from serving.private import set_private_umask
from serving.text.visible import visible
from serving.version import VERSION
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace

EXIT_INTERRUPTED = 130
"""The exit code that shells expect after Ctrl+C."""

COMMANDS = {
    "classes": "desktop.commands.classes",
    "classify": "desktop.commands.classify",
    "completion": "desktop.commands.completion",
    "doctor": "desktop.commands.doctor",
    "engine": "desktop.commands.engine",
    "fleet": "desktop.commands.fleet",
    "image": "desktop.commands.image",
    "label": "desktop.commands.label",
    "labels": "desktop.commands.labels",
    "licences": "desktop.commands.licences",
    "models": "desktop.commands.models.group",
    "open": "desktop.commands.open",
    "promote": "desktop.commands.learn",
    "queue": "desktop.commands.queue",
    "serve": "desktop.commands.serve",
    "service": "desktop.commands.service",
    "stack": "desktop.commands.stack",
    "stop": "desktop.commands.stop",
    "token": "desktop.commands.token",
    "train": "desktop.commands.learn",
    "training": "desktop.commands.training_group",
    "webhook": "desktop.commands.webhook",
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return names alone: help for each would mean to import them all."""
        names = [CompletionItem(name) for name in self.list_commands(ctx) if name != "open"]
        found = [item for item in names if item.value.startswith(incomplete)]
        return found or click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from desktop.commands.open import names_file  # reads images, which takes time

            if names_file(args[0]):
                args = ["open", *args]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _sentences(), _plain_errors(ctx):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            print_message()
            ctx.exit(EXIT_INTERRUPTED)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        keep_streams_open()
        with _sentences(), _plain_errors(ctx):
            _check_packages()  # here, since looking a command up already imports them
            return super().parse_args(ctx, args)


@contextmanager
def _sentences() -> Iterator[None]:
    """End the command with a sentence where the product or the system refused something."""
    try:
        yield
    except ServeryError as error:
        raise CliError(str(error)) from error
    except (OSError, MemoryError, RuntimeError) as error:
        failure = refused_output(error) or system_error(error)
        if failure is None:
            raise
        raise CliError(str(failure)) from error


@contextmanager
def _plain_errors(ctx: click.Context) -> Iterator[None]:
    """Spell out what a command line that was wrong has in it, which click quotes as it is."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # its message is the help
    except click.UsageError as error:
        raise click.UsageError(visible(error.format_message()), error.ctx or ctx) from error
    except CliError:
        raise
    except click.ClickException as error:
        raise CliError(error.format_message()) from error


class CliError(click.ClickException):
    """Ends the command with exit code 1 and a sentence on stderr."""

    def show(self, file: Any = None) -> None:
        print_message(f"servery: {self.format_message()}")


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--workspace",
    type=click.Path(file_okay=False),
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    help="Folder that holds all state.  [default: the platform's data folder]",
)
@click.version_option(VERSION, prog_name="servery", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, workspace: str | None) -> None:
    """Run, use and train an image classifier on your own machine.

    Without a command, the window opens, with the photos and folders that are named.
    """
    set_private_umask()
    if workspace is not None and not workspace.strip():  # to Python, the folder that one is in
        raise click.BadParameter("it is empty. Name a folder.", param_hint="--workspace")
    context.obj = Workspace.named(Path(workspace)) if workspace else Workspace.default()
    if context.invoked_subcommand not in (None, "doctor"):
        _print_damage(context.obj)
    if context.invoked_subcommand is None:
        from desktop.commands.open import show_window

        context.exit(show_window(context.obj))
    protect_terminal()


def _check_packages() -> None:
    """Print what is wrong with the installed packages; raises it if nothing works without them."""
    fault = find_fault()
    if isinstance(fault, PackageMissing):
        raise fault
    if fault is not None:
        print_message(f"servery: {fault}")


def _print_damage(workspace: Workspace) -> None:
    """Print what is wrong with the workspace's small files; the command goes on all the same."""
    if "--help" in sys.argv or "-h" in sys.argv or not workspace.root.is_dir():
        return
    from desktop.repair import QUICK_CHECKS  # as slow to import as the commands
    from serving.repair.problem import find_problems

    for problem in find_problems(workspace, QUICK_CHECKS):
        print_message(f"servery: {problem.text_of_command}")


if __name__ == "__main__":
    main(prog_name="servery")
