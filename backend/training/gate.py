"""The gate: whether a new version goes live by itself, and if not, why.

docs/decisions/gate.md says why these rules, and how often they are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.contract import ConfusedClasses, Rule
from backend.training.evidence import Agreement, Evidence, Fall, Shuffled, TaughtClass
from backend.training.worker_protocol import Evaluation
from serving.models.fleet_image import FleetImage

GATE = "gate"
"""Who decided, in the audit, if no person did."""

CONFIDENCE = 0.95
"""A fall holds a version back if chance alone makes one as large in at most 5% of all cases."""
MIN_FALL = 0.005
"""How much recall of all known classes may be lost; 0.005 is half a point."""
MIN_CLASS_FALL = 0.02
"""How much recall one known class may lose."""
SURE_PHOTOS, SURE_P = 36, 0.002
"""With so many photos of new classes, shuffled labels may be as good in 0.2% of all cases."""
SOME_PHOTOS, SOME_P = 20, 0.02
"""With so many, in 2%, and with fewer in 5%: no test of so few photos could be stricter."""
FEW_P = 0.05
SEVERAL_OF_CLASS, NOTHING_LEARNED_P, FEW_NOTHING_LEARNED_P = 16, 0.3, 0.5
"""With so many photos of one new class, labels chosen at random may be as good for it in 30% of all
cases, and with fewer in 50%: hard classes, such as glass and plastic, have to pass."""
MANY_KNOWN_PHOTOS = 50
"""With so many photos of known classes, shuffled labels may be as good in SURE_P of all cases."""
KNOWN_P, FEW_KNOWN_P = 0.05, 0.2
"""The same with SURE_PHOTOS, and with fewer."""
PAIR_P = 0.1
MIN_DISAGREEMENT = 0.05
"""Share of the photos without a label that two versions may answer differently in any case."""
FORMER_MARGIN = 0.02
"""How much accuracy a version of an older Servery may lose on old classes."""
_ROUNDING = 1e-9
"""Shares that differ by exactly a margin may not, as floating-point numbers."""
_MAX_NAMED = 3


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


PASSED = Verdict(Rule.PASSED)
OTHER_PROMOTED = Verdict(
    Rule.OTHER_PROMOTED,
    "Another version was promoted meanwhile, so this one did not go live.",
)
AUTOMATIC_OFF = Verdict(
    Rule.AUTOMATIC_OFF,
    "It passed every check, and waits for a person to promote it: new versions of this model do"
    " not go live by themselves.",
)


def served_from_image(image: FleetImage) -> Verdict:
    """Return the verdict on a version that passed while the fleet runs from an image."""
    return Verdict(
        Rule.AUTOMATIC_OFF,
        f"It passed every check, but the fleet runs from the image {image.image}, which serves"
        f" version {image.version} alone.",
    )


def judge(evaluation: Evaluation, evidence: Evidence | None) -> Verdict:
    """Say whether a version may go live.

    `evidence` is None for a version of an older Servery, of which single photos are not known.
    """
    if evidence is None:
        return _judge_former(evaluation)
    for rule in _RULES:
        verdict = rule(evidence)
        if not verdict.passed:
            return verdict
    return PASSED


def level(photos: int) -> float:
    """Return how often shuffled labels of so many photos may be as good as those of a person."""
    if photos >= SURE_PHOTOS:
        return SURE_P
    return SOME_P if photos >= SOME_PHOTOS else FEW_P


def _new_classes(evidence: Evidence) -> Verdict:
    taught = evidence.taught
    if taught is None or taught.p <= level(taught.photos):
        return PASSED
    if taught.classes == 1:
        return Verdict(
            Rule.NEW_NOT_LEARNED,
            f"The {taught.photos:,} photos of the new class are no more alike than photos chosen at"
            " random, so the version did not go live. Look through their labels.",
            evidence.confused,
        )
    few = " Label some more photos of each." if taught.photos < SURE_PHOTOS else ""
    return Verdict(
        Rule.NEW_NOT_LEARNED,
        f"The {taught.classes:,} new classes cannot be told apart: labels given at random to their"
        f" {taught.photos:,} photos would do as well ({_shares(taught)}), so the version did not"
        f" go live.{_named(evidence.confused)}{few}",
        evidence.confused,
    )


def _each_new_class(evidence: Evidence) -> Verdict:
    unknown = [(p, each) for each in evidence.taught_classes if (p := each.p) is not None]
    unknown = [(p, each) for p, each in unknown if p > _class_level(each.photos)]
    if not unknown:
        return PASSED
    _, worst = max(unknown, key=lambda each: each[0])
    confused = _of_class(evidence, worst)
    return Verdict(
        Rule.NEW_NOT_LEARNED,
        f"The class “{worst.name}” was not learned from its {worst.photos:,} photos: of them"
        f" {worst.right:,} were recognized from the others, and photos chosen at random would do"
        " as well. So the version did not go live. Look through the labels of"
        f" “{worst.name}”.{_named(confused)}",
        confused,
    )


def _none_recognized(evidence: Evidence) -> Verdict:
    """Hold back a class that is never answered, whatever its photos have in common.

    That is what becomes of few labels beside a foundation which is surer of something else.
    """
    missed = [each for each in evidence.taught_classes if not each.right]
    if not missed:
        return PASSED
    worst = max(missed, key=lambda each: each.photos)
    return Verdict(
        Rule.NEW_NOT_LEARNED,
        f"The class “{worst.name}” was not learned: of its {worst.photos:,} photos none was"
        " recognized from the others, so the version did not go live. Label more photos of"
        f" “{worst.name}”, and some of the classes that they are taken for."
        f"{_named(_of_class(evidence, worst))}",
        _of_class(evidence, worst),
    )


def _of_class(evidence: Evidence, taught: TaughtClass) -> tuple[ConfusedClasses, ...]:
    return tuple(pair for pair in evidence.confused if taught.name in (pair.first, pair.second))


def _class_level(photos: int) -> float:
    return NOTHING_LEARNED_P if photos >= SEVERAL_OF_CLASS else FEW_NOTHING_LEARNED_P


def _pairs(evidence: Evidence) -> Verdict:
    same = [each for each in evidence.pairs if each.p > PAIR_P]
    if not same:
        return PASSED
    worst = max(same, key=lambda each: each.p)
    names = {worst.first, worst.second}
    confused = tuple(pair for pair in evidence.confused if {pair.first, pair.second} == names) or (
        ConfusedClasses(worst.first, worst.second, []),
    )
    return Verdict(
        Rule.NEW_NOT_LEARNED,
        f"“{worst.first}” and “{worst.second}” cannot be told apart: labels given at random to"
        " their photos would do as well, so the version did not go live. Merge the two, or look"
        " through their labels.",
        confused,
    )


def _known_labels(evidence: Evidence) -> Verdict:
    for labels, which in ((evidence.known, "the classes that it knew"), (evidence.added, "")):
        # Labels since then alone may all be of photos that the live version found hard.
        level_of = _known_level if which else _added_level
        if labels is not None and labels.p > level_of(labels.photos):
            since = "" if which else " that were labelled since"
            what = which or "known classes"
            return Verdict(
                Rule.OLD_LABELS,
                f"The labels of {labels.photos:,} photos of {what}{since} fit them no better than"
                f" labels given at random ({_shares(labels)}), so the version did not go live."
                " Look through the last labels.",
            )
    return PASSED


def _known_level(photos: int) -> float:
    return SURE_P if photos >= MANY_KNOWN_PHOTOS else _added_level(photos)


def _added_level(photos: int) -> float:
    return KNOWN_P if photos >= SURE_PHOTOS else FEW_KNOWN_P


def _relabelled(evidence: Evidence) -> Verdict:
    fall = evidence.relabelled
    if fall is None or not _is_sure(fall, 1) or not _fell(fall, MIN_CLASS_FALL):
        return PASSED
    return Verdict(
        Rule.OLD_LABELS,
        f"On {fall.photos:,} photos that the live version learned from, it was right in"
        f" {_percent(fall.before)}; with the labels that they have now, {_percent(fall.after)} are"
        " right, so the version did not go live. Look through the last labels.",
    )


def _old_recall(evidence: Evidence) -> Verdict:
    fall = evidence.recall
    if fall is None or not _is_sure(fall, 1) or not _fell(fall, MIN_FALL):
        return PASSED
    return Verdict(
        Rule.OLD_RECALL,
        f"On what the model already knew, accuracy fell from {_percent(fall.before)} to"
        f" {_percent(fall.after)}, so the version did not go live.",
    )


def _old_classes(evidence: Evidence) -> Verdict:
    tested = len(evidence.classes)
    lost = [
        each
        for each in evidence.classes
        if _is_sure(each.fall, tested) and _fell(each.fall, MIN_CLASS_FALL)
    ]
    if not lost:
        return PASSED
    worst = max(lost, key=lambda each: each.fall.before - each.fall.after)
    return Verdict(
        Rule.OLD_CLASS_LOST,
        f"Of the {worst.fall.photos:,} photos of “{worst.name}”, {_percent(worst.fall.before)} were"
        f" right and {_percent(worst.fall.after)} are now, so the version did not go live.",
    )


def _agreement(evidence: Evidence) -> Verdict:
    found = evidence.agreement
    if found is None or found.changed <= agreement_limit(found):
        return PASSED
    return Verdict(
        Rule.AGREEMENT,
        f"It disagrees with the live version on {_percent(found.changed)} of {found.photos:,}"
        f" photos without a label. At most {_percent(agreement_limit(found))} can be expected, so"
        " the version did not go live.",
    )


def agreement_limit(agreement: Agreement) -> float:
    """Return the share of photos that two versions may answer differently.

    It is what the live version may be wrong in, photos of new classes that are not typical of
    these, and what chance adds in 5% of all cases.
    """
    expected = max(MIN_DISAGREEMENT, agreement.expected) + agreement.untypical
    chance = 1.645 * math.sqrt(expected * max(1 - expected, 0) / agreement.photos)
    return min(1.0, expected + chance)


_RULES: tuple[Callable[[Evidence], Verdict], ...] = (
    _new_classes,
    _each_new_class,
    _none_recognized,
    _pairs,
    _known_labels,
    _relabelled,
    _old_recall,
    _old_classes,
    _agreement,
)


def _is_sure(fall: Fall, tests: int) -> bool:
    """Say whether a fall is no chance, where so many falls were looked at (Bonferroni)."""
    return fall.p < (1 - CONFIDENCE) / tests


def _fell(fall: Fall, margin: float) -> bool:
    return fall.before - fall.after > margin + _ROUNDING


def _shares(labels: Shuffled) -> str:
    return f"{_percent(labels.recall)} against {_percent(labels.shuffled)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _named(confused: Sequence[ConfusedClasses]) -> str:
    if not confused:
        return ""
    pairs = [f"“{pair.first}” and “{pair.second}”" for pair in confused[:_MAX_NAMED]]
    return f" Most often confused: {', '.join(pairs)}."


def _judge_former(evaluation: Evaluation) -> Verdict:
    """Judge by the shares of right answers on images of classes that the base version knew."""
    before, after = evaluation.old_base_accuracy, evaluation.old_accuracy
    if before is None or after is None:
        return PASSED
    if before - after <= FORMER_MARGIN + _ROUNDING:
        return PASSED
    return Verdict(
        Rule.OLD_RECALL,
        f"On what the model already knew, accuracy fell from {_percent(before)} to"
        f" {_percent(after)}, so the version did not go live.",
    )
