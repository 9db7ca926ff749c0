"""`servery doctor`: says what the machine lacks, and what is damaged in a workspace; repairs it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from desktop.commands import options
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.formats import plural
from desktop.machine import FactLevel, MachineFact, machine_facts
from desktop.repair import examine
from serving.workspace import Workspace


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@click.option(
    "--machine/--no-machine",
    "with_machine",
    default=True,
    help="Look at the machine, too, or at the workspace alone.",
)
@options.as_json
@click.pass_context
def doctor(context: click.Context, repair: bool, with_machine: bool, as_json: bool) -> None:
    """Say what the machine lacks, and what is damaged.

    Nothing is destroyed by a repair: damaged files are moved to the folder "damaged" of the
    workspace, and what can be read of a database goes into a new one. The exit code is 1 if
    something is wrong that was not repaired, and 0 if something is missing only.
    """
    workspace: Workspace = context.obj
    facts = asyncio.run(machine_facts(workspace)) if with_machine else []
    if not as_json:
        _print_facts(facts)
    found = examine(workspace, repair=repair)
    if as_json:
        print_json(
            {
                "machine": [asdict(fact) for fact in facts],
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
    is_wrong = any(fact.level is FactLevel.WRONG for fact in facts)
    if found.problems or found.not_repaired or is_wrong:
        context.exit(1)


def _print_facts(facts: list[MachineFact]) -> None:
    width = max((len(fact.subject) for fact in facts), default=0)
    marks = {FactLevel.FINE: "ok", FactLevel.MISSING: "--", FactLevel.WRONG: "!!"}
    for fact in facts:
        print_line(f"{marks[fact.level]}  {fact.subject:{width}}  {fact.what}")
        if fact.advice:
            print_line(f"    {'':{width}}  {fact.advice}")
