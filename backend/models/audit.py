"""What was done to the versions of a model, by whom and by which rule, for people to read."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import (
    AuditAction,
    AuditEntry,
    ClassChange,
    Decision,
    Rule,
)
from backend.store.kept_versions import KeptVersion
from backend.store.runs import DecisionRow

_RULES = {
    Rule.PASSED: "it passed every check",
    Rule.OLD_RECALL: "it finds fewer photos of what it knew before",
    Rule.OLD_LABELS: "labels of what it knew before fit no better than random ones",
    Rule.OLD_CLASS_LOST: "it finds fewer photos of a class that it knew before",
    Rule.AGREEMENT: "it answers too differently for photos that nobody labelled",
    Rule.NEW_NOT_LEARNED: "it cannot tell new classes apart",
    Rule.AUTOMATIC_OFF: "new versions wait for a person",
    Rule.OTHER_PROMOTED: "another version went live meanwhile",
    Rule.CANARY_FAILED: "it failed requests that the live version answered",
    Rule.CANARY_SLOWER: "it was slower than the live version",
    Rule.CANARY_LABELS: "what people said of photos decided",
    Rule.CANARY_AGREEMENT: "its agreement with the live version decided",
    Rule.CANARY_TIME: "its time was up",
    Rule.CANARY_NOT_LOADED: "an instance could not load it",
    Rule.CANARY_GONE: "its files were gone",
}


def audit_entries(
    decisions: Sequence[DecisionRow],
    changes: Sequence[ClassChange],
    kept: Sequence[KeptVersion] = (),
) -> list[AuditEntry]:
    """Return what was decided about versions and done to them and to classes, the newest first.

    All are given the newest first. A change that made a version is among the decisions.
    """
    entries: list[AuditEntry] = []
    live: int | None = None
    for row in reversed(decisions):
        what = AuditAction(row.decision)
        if row.decision is Decision.PROMOTED:
            if live is not None and row.version < live:
                what = AuditAction.ROLLED_BACK
            live = row.version
        entries.append(
            AuditEntry(row.created, row.by, what, row.version, row.rule, _sentence(row, what))
        )
    entries += [
        AuditEntry(
            when=each.created,
            by=each.by,
            what=AuditAction.CLASSES_CHANGED,
            version=None,
            rule=Rule.PERSON,
            text=each.sentence,
        )
        for each in reversed(changes)
        if each.version is None
    ]
    entries += [
        AuditEntry(
            when=each.created,
            by=each.by,
            what=each.what,
            version=each.version,
            rule=Rule.PERSON,
            text=f"Version {each.version} was {each.what.value}.",
        )
        for each in reversed(kept)
    ]
    # Stable, so that what happened within a millisecond stays in its order.
    return sorted(entries, key=lambda entry: entry.when)[::-1]


def _sentence(row: DecisionRow, what: AuditAction) -> str:
    done = {
        AuditAction.PROMOTED: f"Version {row.version} went live",
        AuditAction.ROLLED_BACK: f"Rolled back to version {row.version}",
        AuditAction.HELD_BACK: f"Version {row.version} was held back",
        AuditAction.CANARY: f"Version {row.version} became a canary",
    }[what]
    if row.because:
        return f"{done}. {row.because}"
    why = _RULES.get(row.rule, "")
    return f"{done}: {why}." if why else f"{done}."
