"""`servery doctor`: says what is damaged in a workspace, and repairs it."""

from __future__ import annotations

import click

from desktop.commands import options
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.formats import plural
from desktop.repair import examine
from serving.workspace import Workspace


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@options.as_json
@click.pass_context
def doctor(context: click.Context, repair: bool, as_json: bool) -> None:
    """Say what is damaged in the workspace.

    Nothing is destroyed by a repair: damaged files are moved to the folder "damaged" of the
    workspace, and what can be read of a database goes into a new one. The exit code is 1 if
    something is wrong that was not repaired.
    """
    workspace: Workspace = context.obj
    found = examine(workspace, repair=repair)
    if as_json:
        print_json(
            {
                "problems": [
                    {
                        "path": str(problem.path),
                        "what": problem.what,
                        "advice": problem.advice,
                        "repairable": problem.repair is not None,
                    }
                    for problem in found.problems
                ],
                "repaired": list(found.repaired),
                "not_repaired": [str(error) for error in found.not_repaired],
            }
        )
    else:
        for sentence in (*found.repaired, *map(str, found.not_repaired)):
            print_line(sentence)
        for problem in found.problems:
            print_line(problem.text)
        if found.problems:
            print_message(f"{plural(len(found.problems), 'problem')} in {workspace.root}.")
        else:
            print_message(f"Everything in {workspace.root} is as it should be.")
    if found.problems or found.not_repaired:
        context.exit(1)
