"""`servery doctor`: says what is damaged in a workspace, and repairs it."""

from __future__ import annotations

import click

from desktop.commands import options
from desktop.commands.terminal import print_json, print_message
from desktop.formats import plural
from desktop.repair import THOROUGH_CHECKS
from serving.errors import ServeryError
from serving.repair.problem import WorkspaceProblem, find_problems, repaired
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
    problems = find_problems(workspace, THOROUGH_CHECKS)
    done: list[str] = []
    failed: list[str] = []
    if repair:
        for problem in problems:
            if problem.repair is not None:
                _repair(problem, done, failed)
        problems = find_problems(workspace, THOROUGH_CHECKS)
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
                    for problem in problems
                ],
                "repaired": done,
                "not_repaired": failed,
            }
        )
    else:
        _print(workspace, problems, done, failed)
    if problems or failed:
        context.exit(1)


def _repair(problem: WorkspaceProblem, done: list[str], failed: list[str]) -> None:
    try:
        done.append(repaired(problem))
    except ServeryError as error:
        failed.append(str(error))


def _print(
    workspace: Workspace, problems: list[WorkspaceProblem], done: list[str], failed: list[str]
) -> None:
    for sentence in (*done, *failed):
        click.echo(sentence)
    for problem in problems:
        click.echo(problem.text)
    if not problems:
        print_message(f"Everything in {workspace.root} is as it should be.")
    else:
        print_message(f"{plural(len(problems), 'problem')} in {workspace.root}.")
