"""Sentences about labels, training runs and versions."""

from __future__ import annotations

from backend.contract import Decision, FineTuningOffer, LabelSummary, Outlook, TrainingRun
from desktop.formats import count, duration, plural
from desktop.learn.outbox import OutboxView
from desktop.service_sentences import translated
from desktop.translation import tr, tr_number, tr_plural
from desktop.versions.wording import change_sentence, run_sentence


def next_step(labels: LabelSummary) -> str:
    """Say what a person can do next."""
    if not labels.total and labels.since_last_run:
        return tr_plural(
            "{count} label was taken back since the last training run: learn, and the model"
            " forgets.",
            "{count} labels were taken back since the last training run: learn, and the model"
            " forgets.",
            labels.since_last_run,
        ).format(count=count(labels.since_last_run))
    if not labels.total:
        return tr("Say what photos show, and the model learns it.")
    if labels.since_last_run:
        return tr_plural(
            "{count} label since the last training run.",
            "{count} labels since the last training run.",
            labels.since_last_run,
        ).format(count=count(labels.since_last_run))
    return tr("Every label has been learned. Add some to learn more.")


def labels_sentence(labels: LabelSummary) -> str:
    """Return `24 labels in 3 classes`."""
    labelled = sum(each.labels > 0 for each in labels.classes)
    parts = [
        tr(
            "{labels} in {classes}",
            labels=plural(labels.total, "label"),
            classes=plural(labelled, "class", "classes"),
        )
    ]
    if labels.none:
        parts.append(tr("{count} none of these", count=count(labels.none)))
    if labels.conflicts:
        parts.append(
            tr_plural(
                "{count} photo on which people disagree",
                "{count} photos on which people disagree",
                labels.conflicts,
            ).format(count=count(labels.conflicts))
        )
    return ", ".join(parts) if labels.total or len(parts) > 1 else tr("No labels yet")


ENOUGH = 0.01
"""A gain in accuracy (of 1) for which hardly anybody would label on."""


def gain(share: float) -> str:
    """Return a gain in accuracy as `+3.1 points`."""
    return tr("{gain} points", gain=_signed(share))


def enough(outlook: Outlook) -> str:
    """Say whether more labels are worth it, in a few words."""
    if outlook.high < ENOUGH:
        return tr("There are enough labels")
    return tr("More labels pay") if outlook.low >= ENOUGH else tr("More labels may pay")


def outlook_sentence(outlook: Outlook) -> str:
    """Say what more labels are expected to bring, and within what."""
    return tr_plural(
        "The gain in accuracy that {count} more label a class is expected to bring;"
        " in four of five cases it is between {low} and {high}.",
        "The gain in accuracy that {count} more labels a class are expected to bring;"
        " in four of five cases it is between {low} and {high}.",
        outlook.labels_per_class_added,
    ).format(
        count=count(outlook.labels_per_class_added),
        low=_signed(outlook.low),
        high=_signed(outlook.high),
    )


def _signed(share: float) -> str:
    return tr_number(f"{100 * share:+.1f}")


def fine_tuning_sentence(offer: FineTuningOffer | None, *, is_running: bool) -> str:
    """Say what fine-tuning takes and what becomes of it, or why it is not possible."""
    if is_running:
        return tr("The network is being fine-tuned. Labels are learned meanwhile as ever.")
    if offer is None:
        return ""
    if offer.seconds is None:
        return translated(f"{offer.because} {offer.advice}")
    return tr_plural(
        "Trains its last blocks on {count} photo, in the background, in about {duration}."
        " It is used only if it knows more of the photos that it did not learn from.",
        "Trains its last blocks on {count} photos, in the background, in about {duration}."
        " It is used only if it knows more of the photos that it did not learn from.",
        offer.labels,
    ).format(count=count(offer.labels), duration=duration(offer.seconds))


def outcome_sentence(run: TrainingRun) -> str:
    """Say what a run that has just succeeded made."""
    if run.version is None:
        return run_sentence(run)
    if run.decision is Decision.PROMOTED:
        live = tr("Version {version} is live.", version=run.version)
        return f"{live} {change_sentence(run)}".strip()
    made = tr("Version {version} was made.", version=run.version)
    return f"{made} {translated(run.step)}".strip()


def waiting_sentence(outbox: OutboxView) -> str:
    """Say that labels wait, and that they are safe; empty if none does."""
    if not outbox.pending or not outbox.problem:
        return ""
    waiting = tr_plural(
        "{count} label waits for the backend, safe on this machine.",
        "{count} labels wait for the backend, safe on this machine.",
        outbox.pending,
    ).format(count=count(outbox.pending))
    return f"{waiting} {translated(outbox.problem)}"


def refused_sentence(outbox: OutboxView) -> str:
    """Say which labels the backend will not take and why; empty where there is none."""
    if not outbox.refused:
        return ""
    first = outbox.refused[0]
    if len(outbox.refused) == 1:
        return tr(
            "The label “{class_name}” was refused. {reason}",
            class_name=first.class_name,
            reason=translated(first.reason),
        )
    return tr(
        "{labels} were refused. The first, “{class_name}”: {reason}",
        labels=plural(len(outbox.refused), "label"),
        class_name=first.class_name,
        reason=translated(first.reason),
    )
