"""What a program finds that others left or that they run, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.formats import count
from desktop.running_programs import WINDOW, RunningProgram
from desktop.translation import tr, tr_plural


def fleet_sentence(
    instances: int, others: Sequence[RunningProgram], killed: Sequence[RunningProgram]
) -> str:
    """Say whose instances are used that ran already; empty if there is nothing to say."""
    sentences = []
    if killed:
        sentences.append(
            tr("{program} ended without stopping anything.", program=_program(killed[-1]))
        )
    if instances and others:
        used = tr_plural(
            "{count} instance of {program} is used.",
            "{count} instances of {program} are used.",
            instances,
        )
        sentences.append(used.format(count=count(instances), program=_program(others[0])))
    elif instances:
        used = tr_plural(
            "{count} instance still ran and is used.",
            "{count} instances still ran and are used.",
            instances,
        )
        sentences.append(used.format(count=count(instances)))
    elif killed:
        sentences.append(tr("Nothing of it runs any more."))
    return " ".join(sentences)


def runs_sentence(interrupted: int) -> str:
    """Say that training runs ended with the backend that ran them; empty if none did."""
    if not interrupted:
        return ""
    text = tr_plural(
        "{count} training run was interrupted when the backend ended."
        " The labels are kept: train again.",
        "{count} training runs were interrupted when the backend ended."
        " The labels are kept: train again.",
        interrupted,
    )
    return text.format(count=count(interrupted))


def _program(program: RunningProgram) -> str:
    name = tr("Servery's window") if program.name == WINDOW else program.name
    return tr("{name} (process {pid})", name=name, pid=program.pid)
