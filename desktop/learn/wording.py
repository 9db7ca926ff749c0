"""Sentences about labels, training runs and versions."""

from __future__ import annotations

from backend.contract import Decision, LabelSummary, Outlook, TrainingRun
from desktop.formats import count, plural
from desktop.learn.outbox import OutboxView
from desktop.versions.wording import change_sentence, run_sentence


def next_step(labels: LabelSummary) -> str:
    """Say what a person can do next."""
    if not labels.total and labels.since_last_run:
        were = "was" if labels.since_last_run == 1 else "were"
        taken_back = f"{plural(labels.since_last_run, 'label')} {were} taken back"
        return f"{taken_back} since the last training run: learn, and the model forgets."
    if not labels.total:
        return "Say what photos show, and the model learns it."
    if labels.since_last_run:
        return f"{plural(labels.since_last_run, 'label')} since the last training run."
    return "Every label has been learned. Add some to learn more."


def labels_sentence(labels: LabelSummary) -> str:
    """Return `24 labels in 3 classes`."""
    labelled = sum(each.labels > 0 for each in labels.classes)
    parts = [f"{plural(labels.total, 'label')} in {plural(labelled, 'class', 'classes')}"]
    if labels.none:
        parts.append(f"{count(labels.none)} none of these")
    if labels.conflicts:
        parts.append(f"{plural(labels.conflicts, 'photo')} on which people disagree")
    return ", ".join(parts) if labels.total or len(parts) > 1 else "No labels yet"


ENOUGH = 0.01
"""A gain in accuracy (of 1) for which hardly anybody would label on."""


def gain(share: float) -> str:
    """Return a gain in accuracy as `+3.1 points`."""
    return f"{100 * share:+.1f} points"


def enough(outlook: Outlook) -> str:
    """Say whether more labels are worth it, in a few words."""
    if outlook.high < ENOUGH:
        return "There are enough labels"
    return "More labels pay" if outlook.low >= ENOUGH else "More labels may pay"


def outlook_sentence(outlook: Outlook) -> str:
    """Say what more labels are expected to bring, and within what."""
    low, high = 100 * outlook.low, 100 * outlook.high
    return (
        f"Expected of {plural(outlook.labels_per_class_added, 'more label')} a class; in four of"
        f" five cases between {low:+.1f} and {high:+.1f}."
    )


def outcome_sentence(run: TrainingRun) -> str:
    """Say what a run that has just succeeded made."""
    if run.version is None:
        return run_sentence(run)
    if run.decision is Decision.PROMOTED:
        return f"Version {run.version} is live. {change_sentence(run)}".strip()
    return f"Version {run.version} was made. {run.step}".strip()


def waiting_sentence(outbox: OutboxView) -> str:
    """Say that labels wait, and that they are safe; empty if none does."""
    if not outbox.pending or not outbox.problem:
        return ""
    one = outbox.pending == 1
    return (
        f"{plural(outbox.pending, 'label')} {'waits' if one else 'wait'} for the backend,"
        f" safe on this machine. {outbox.problem}"
    )


def refused_sentence(outbox: OutboxView) -> str:
    """Say which labels the backend will not take and why; empty where there is none."""
    if not outbox.refused:
        return ""
    first = outbox.refused[0]
    if len(outbox.refused) == 1:
        return f"The label “{first.class_name}” was refused. {first.reason}"
    return (
        f"{plural(len(outbox.refused), 'label')} were refused."
        f" The first, “{first.class_name}”: {first.reason}"
    )
