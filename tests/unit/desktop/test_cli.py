from __future__ import annotations

import click
from click.testing import CliRunner

from desktop.cli import main


def test_every_command_has_a_summary_that_fits_on_a_line() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    paths = [(), *((each.name or "",) for each in commands if isinstance(each, click.Group))]
    for path in paths:
        result = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
        assert result.exit_code == 0
        _, _, summaries = result.stdout.partition("Commands:\n")
        assert summaries
        for line in summaries.splitlines():
            assert line.endswith("."), line
            assert not line.endswith("..."), f"cut off: {line}"
