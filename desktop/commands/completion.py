"""`servery completion`: lets the shell complete commands, options and files."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from desktop.commands import options
from desktop.commands.terminal import print_json, print_lines, print_message
from serving.errors import ServeryError, storage_error
from serving.files import write_aside

PROGRAM = "servery"
_VARIABLE = "_SERVERY_COMPLETE"
SHELLS = ("bash", "fish", "zsh")


class CompletionError(ServeryError):
    """Completion cannot be installed."""


_shell = click.argument("shell", required=False, type=click.Choice(SHELLS))


@click.group()
def completion() -> None:
    """Let the shell complete the commands of Servery."""


@completion.command(name="install")
@_shell
@options.as_json
def install_completion(shell: str | None, as_json: bool) -> None:
    """Install completion for SHELL, by default the one that you use."""
    shell = shell or _own_shell()
    path = _path(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, _source(shell))
    except OSError as error:
        what = f"The completion cannot be written to {path}"
        raise storage_error(error, path, what, CompletionError) from error
    if as_json:
        print_json({"shell": shell, "path": str(path)})
    print_message(f"The completion for {shell} is in {path}. It holds in each new shell.")
    if shell == "zsh":
        print_message(f"Add this line to ~/.zshrc, before compinit: fpath=({path.parent} $fpath)")
    elif shell == "bash":
        print_message("It takes the package bash-completion, which most systems have.")


@completion.command(name="show")
@_shell
def show_completion(shell: str | None) -> None:
    """Print the completion for SHELL, to be kept somewhere else."""
    print_lines(_source(shell or _own_shell()).rstrip("\n"))


def _own_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise CompletionError(
            f"There is no completion for the shell {name or 'that you use'}.",
            f"Name one of {', '.join(SHELLS)}.",
        )
    return name


def _source(shell: str) -> str:
    from desktop.cli import main  # imports this module

    found = get_completion_class(shell)
    assert found is not None  # of SHELLS
    script = found(main, {}, PROGRAM, _VARIABLE)
    # Not `source`, which for bash runs the shell to look at its version.
    return script.source_template % script.source_vars()


def _path(shell: str) -> Path:
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / PROGRAM,
        "fish": config / "fish" / "completions" / f"{PROGRAM}.fish",
        "zsh": data / "zsh" / "site-functions" / f"_{PROGRAM}",
    }[shell]
