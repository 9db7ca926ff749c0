"""The gate: whether a new version goes live by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.contract import ConfusedClasses, Rule
from backend.training.worker_protocol import Evaluation

GATE = "gate"
"""Who decided, where no person did."""

MARGIN = 0.02
"""How much accuracy on old classes a new version may lose; 0.02 is two in a hundred."""
CHANCE = 0.1
"""A fall that is at least this probable by chance alone does not hold a version back."""
_ROUNDING = 1e-9
"""Shares that differ by exactly the margin may not, as floating-point numbers."""


@dataclass(frozen=True)
class Verdict:
    """Whether a version may go live by itself, and if not, why."""

    rule: Rule
    because: str = ""
    """Why it may not, as a sentence; empty if it may."""
    confused: tuple[ConfusedClasses, ...] = ()
    """Pairs of classes that it cannot tell apart."""

    @property
    def passed(self) -> bool:
        return self.rule is Rule.PASSED


OTHER_PROMOTED = Verdict(
    Rule.OTHER_PROMOTED,
    "Another version was promoted meanwhile, so this one did not go live.",
)
AUTOMATIC_OFF = Verdict(
    Rule.AUTOMATIC_OFF,
    "It passed every check, and waits for a person to promote it: new versions of this model do"
    " not go live by themselves.",
)


def judge(evaluation: Evaluation) -> Verdict:
    """Say whether a version may go live.

    A version goes live unless its share of right answers, on images of classes that the
    base version knew, is more than MARGIN below the base version's. Where single images
    were compared, those count that the evaluation calls lost and won; a sign test decides
    whether they may differ by chance, as they do if there are few.
    """
    before, after = evaluation.old_base_accuracy, evaluation.old_accuracy
    if before is None or after is None:
        return Verdict(Rule.PASSED)
    fall = before - after
    if evaluation.old_lost is not None and evaluation.old_won is not None:
        lost, won = evaluation.old_lost, evaluation.old_won
        fall = 0.0 if _may_be_chance(lost, won) else (lost - won) / evaluation.old_images
    if fall <= MARGIN + _ROUNDING:
        return Verdict(Rule.PASSED)
    return Verdict(
        Rule.OLD_RECALL,
        f"On what the model already knew, accuracy fell from {100 * before:.1f}% to "
        f"{100 * after:.1f}%, so the version did not go live.",
    )


def _may_be_chance(lost: int, won: int) -> bool:
    """Say whether two equally good versions would differ as much in CHANCE of all cases."""
    differ = lost + won
    at_least_as_bad = sum(math.comb(differ, count) for count in range(lost, differ + 1))
    return bool(at_least_as_bad >= CHANCE * 2**differ)
