"""What a program finds that others left or that they run, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.formats import plural
from desktop.running_programs import RunningProgram


def fleet_sentence(
    instances: int, others: Sequence[RunningProgram], killed: Sequence[RunningProgram]
) -> str:
    """Say whose instances are used that ran already; empty if there is nothing to say."""
    gone = f"{killed[-1]} ended without stopping anything. " if killed else ""
    if not instances:
        return f"{gone}Nothing of it runs any more.".strip() if gone else ""
    are = "is" if instances == 1 else "are"
    if others:
        return f"{gone}{plural(instances, 'instance')} of {others[0]} {are} used."
    return f"{gone}{plural(instances, 'instance')} still ran and {are} used."


def runs_sentence(interrupted: int) -> str:
    """Say that training runs ended with the backend that ran them; empty if none did."""
    if not interrupted:
        return ""
    verb = "was" if interrupted == 1 else "were"
    return (
        f"{plural(interrupted, 'training run')} {verb} interrupted when the backend ended. "
        "The labels are kept: train again."
    )
