"""What was done to versions and classes, in words and in order."""

from __future__ import annotations

import pytest

from backend.contract import AuditAction, ClassChange, ClassChangeKind, Decision, Rule
from backend.models.audit import audit_entries
from backend.store.kept_versions import KeptVersion
from backend.store.runs import DecisionRow


def row(
    number: int, version: int, decision: Decision, rule: Rule = Rule.PERSON, because: str = ""
) -> DecisionRow:
    return DecisionRow(number, version, f"2026-01-0{number}", decision, rule, "ada", because)


def test_promoting_an_older_version_is_rolling_back() -> None:
    found = audit_entries(
        [
            row(4, 2, Decision.PROMOTED),
            row(3, 1, Decision.PROMOTED),
            row(2, 2, Decision.PROMOTED, Rule.PASSED),
            row(1, 1, Decision.PROMOTED),
        ],
        [],
    )
    assert [(each.what, each.text) for each in found] == [
        (AuditAction.PROMOTED, "Version 2 went live."),
        (AuditAction.ROLLED_BACK, "Rolled back to version 1."),
        (AuditAction.PROMOTED, "Version 2 went live: it passed every check."),
        (AuditAction.PROMOTED, "Version 1 went live."),
    ]
    assert {each.by for each in found} == {"ada"}


def test_changes_of_classes_that_made_no_version_are_in_between() -> None:
    renamed = ClassChange(
        *(2, "pets", "2026-01-02", "eve", ClassChangeKind.RENAMED, "cat", "kitten")
    )
    made = ClassChange(
        *(1, "pets", "2026-01-01", "eve", ClassChangeKind.DELETED, "dog", "", 2),
    )
    decisions = [row(3, 3, Decision.PROMOTED), row(1, 2, Decision.PROMOTED)]
    found = audit_entries(decisions, [renamed, made])
    assert [each.text for each in found] == [
        "Version 3 went live.",
        "The class “cat” was renamed to “kitten”.",
        "Version 2 went live.",
    ]
    assert (found[1].what, found[1].by, found[1].version) == (
        AuditAction.CLASSES_CHANGED,
        "eve",
        None,
    )


def test_who_pinned_and_deleted_a_version_is_in_between() -> None:
    kept = [
        KeptVersion(2, "2026-01-04", "ada", AuditAction.DELETED),
        KeptVersion(2, "2026-01-02", "eve", AuditAction.PINNED),
    ]
    decisions = [row(3, 3, Decision.PROMOTED), row(1, 2, Decision.PROMOTED)]
    found = audit_entries(decisions, [], kept)
    assert [(each.text, each.by, each.version) for each in found] == [
        ("Version 2 was deleted.", "ada", 2),
        ("Version 3 went live.", "ada", 3),
        ("Version 2 was pinned.", "eve", 2),
        ("Version 2 went live.", "ada", 2),
    ]


def test_what_was_said_then_is_said_still() -> None:
    (entry,) = audit_entries(
        [row(1, 2, Decision.HELD_BACK, Rule.OLD_RECALL, "Accuracy fell from 90% to 60%.")], []
    )
    assert entry.text == "Version 2 was held back. Accuracy fell from 90% to 60%."


@pytest.mark.parametrize("rule", sorted(set(Rule) - {Rule.NONE, Rule.PERSON}))
def test_every_rule_has_words(rule: Rule) -> None:
    (entry,) = audit_entries([row(1, 2, Decision.HELD_BACK, rule)], [])
    assert entry.text.startswith("Version 2 was held back: ")
