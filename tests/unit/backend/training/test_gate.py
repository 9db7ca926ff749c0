"""A version goes live only if it is better where it matters, or as good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.contract import ConfusedClasses, Rule
from backend.training.evidence import (
    Agreement,
    ClassFall,
    Evidence,
    Fall,
    Shuffled,
    TaughtClass,
    TaughtPair,
)
from backend.training.gate import agreement_limit, judge
from backend.training.worker_protocol import Evaluation

EVALUATION = Evaluation(100, 0.5, 0.5, 100, 0.5, 0.5)
SAME = Shuffled(photos=60, classes=3, recall=0.5, shuffled=0.33, p=0.001)
PAIR = ConfusedClasses("fox", "wolf", ["a" * 64])
OTHER_PAIR = ConfusedClasses("cat", "fox", ["b" * 64])
GOOD = Evidence(
    taught=SAME,
    taught_classes=(
        TaughtClass("fox", 20, 15, 0.001),
        TaughtClass("wolf", 16, 3, 0.3),
        TaughtClass("lynx", 15, 2, 0.5),
    ),
    pairs=(TaughtPair("fox", "wolf", 20, 0.1),),
    known=SAME,
    added=SAME,
    recall=Fall(100, before=0.9, after=0.88, p=0.06),
    classes=(ClassFall("cat", Fall(50, before=0.9, after=0.7, p=0.06)),),
    relabelled=Fall(60, before=0.9, after=0.91, p=0.8),
    agreement=Agreement(200, changed=0.2, expected=0.2, untypical=0.0),
    confused=(PAIR, OTHER_PAIR),
)


def test_what_is_good_everywhere_passes() -> None:
    assert judge(EVALUATION, GOOD).rule is Rule.PASSED
    assert judge(EVALUATION, Evidence()).rule is Rule.PASSED


@pytest.mark.parametrize(
    ("evidence", "rule", "word"),
    [
        (replace(GOOD, taught=replace(SAME, p=0.003)), Rule.NEW_NOT_LEARNED, "at random"),
        (
            replace(GOOD, taught=Shuffled(12, 1, 0.0, 0.0, 0.051)),
            Rule.NEW_NOT_LEARNED,
            "no more alike",
        ),
        (
            replace(GOOD, taught_classes=(TaughtClass("fox", 16, 0, 0.31),)),
            Rule.NEW_NOT_LEARNED,
            "“fox” was not learned from its 16 photos: of them 0 were recognized",
        ),
        (
            replace(GOOD, taught_classes=(TaughtClass("fox", 15, 0, 0.51),)),
            Rule.NEW_NOT_LEARNED,
            "“fox”",
        ),
        (
            replace(GOOD, taught_classes=(TaughtClass("fox", 8, 0, None),)),
            Rule.NEW_NOT_LEARNED,
            "“fox” was not learned: of its 8 photos none was recognized",
        ),
        (
            replace(GOOD, taught_classes=(TaughtClass("fox", 20, 0, 0.001),)),
            Rule.NEW_NOT_LEARNED,
            "Label more photos of “fox”",
        ),
        (
            replace(GOOD, pairs=(TaughtPair("fox", "wolf", 20, 0.11),)),
            Rule.NEW_NOT_LEARNED,
            "“fox” and “wolf”",
        ),
        (replace(GOOD, known=replace(SAME, p=0.06)), Rule.OLD_LABELS, "that it knew"),
        (replace(GOOD, added=replace(SAME, p=0.06)), Rule.OLD_LABELS, "since"),
        (
            replace(GOOD, relabelled=Fall(60, before=0.9, after=0.4, p=0.001)),
            Rule.OLD_LABELS,
            "40.0%",
        ),
        (
            replace(GOOD, recall=Fall(100, before=0.9, after=0.88, p=0.04)),
            Rule.OLD_RECALL,
            "from 90.0% to 88.0%",
        ),
        (
            replace(GOOD, classes=(ClassFall("cat", Fall(50, before=0.9, after=0.7, p=0.04)),)),
            Rule.OLD_CLASS_LOST,
            "“cat”",
        ),
        (replace(GOOD, agreement=Agreement(200, 0.26, 0.2, 0.0)), Rule.AGREEMENT, "26.0% of 200"),
    ],
)
def test_each_rule_holds_back_and_says_why(evidence: Evidence, rule: Rule, word: str) -> None:
    verdict = judge(EVALUATION, evidence)
    assert verdict.rule is rule
    assert word in verdict.because
    assert "did not go live" in verdict.because


@pytest.mark.parametrize(
    ("photos", "p", "passes"),
    [(12, 0.05, True), (20, 0.02, True), (20, 0.021, False), (36, 0.002, True), (36, 0.02, False)],
)
def test_the_more_photos_the_surer_it_must_be(photos: int, p: float, passes: bool) -> None:
    taught = replace(SAME, photos=photos, p=p)
    assert judge(EVALUATION, replace(GOOD, taught=taught)).passed == passes


@pytest.mark.parametrize(
    ("photos", "p", "passes"), [(36, 0.05, True), (49, 0.05, True), (50, 0.045, False)]
)
def test_known_labels_must_be_surer_than_those_that_were_added(
    photos: int, p: float, passes: bool
) -> None:
    labels = replace(SAME, photos=photos, p=p)
    assert judge(EVALUATION, replace(GOOD, known=labels)).passed == passes
    assert judge(EVALUATION, replace(GOOD, added=labels)).passed


def test_a_sure_fall_within_the_margin_is_none() -> None:
    half_a_point = Fall(9000, before=0.9, after=0.895, p=0.001)
    assert judge(EVALUATION, replace(GOOD, recall=half_a_point)).passed
    two_points = ClassFall("cat", Fall(9000, before=0.9, after=0.88, p=0.001))
    assert judge(EVALUATION, replace(GOOD, classes=(two_points,))).passed


def test_many_classes_that_are_looked_at_must_fall_more_surely() -> None:
    lost = Fall(50, before=0.9, after=0.7, p=0.04)
    several = (ClassFall("cat", lost), ClassFall("dog", replace(lost, after=0.9)))
    assert judge(EVALUATION, replace(GOOD, classes=several)).passed


def test_the_classes_that_cannot_be_told_apart_are_named_with_their_photos() -> None:
    assert judge(EVALUATION, replace(GOOD, taught=replace(SAME, p=0.5))).confused == (
        PAIR,
        OTHER_PAIR,
    )
    pair = replace(GOOD, pairs=(TaughtPair("wolf", "fox", 20, 0.5),))
    assert judge(EVALUATION, pair).confused == (PAIR,)
    one = replace(GOOD, taught_classes=(TaughtClass("cat", 20, 0, 0.9),))
    assert judge(EVALUATION, one).confused == (OTHER_PAIR,)
    assert "“cat” and “fox”" in judge(EVALUATION, one).because


def test_the_limit_on_changed_answers_allows_for_chance() -> None:
    assert agreement_limit(Agreement(100, 0.0, 0.0, 0.0)) == pytest.approx(0.05 + 0.0359, abs=1e-3)
    assert agreement_limit(Agreement(10_000, 0.0, 0.3, 0.0)) == pytest.approx(0.3075, abs=1e-3)


def test_photos_of_new_classes_that_look_like_no_others_may_be_answered_differently() -> None:
    limit = agreement_limit(Agreement(10_000, 0.0, 0.0, 0.05))
    assert limit == pytest.approx(0.1049, abs=1e-3)


@pytest.mark.parametrize(
    ("base", "new", "passes"),
    [
        (0.9, 0.95, True),
        (0.9, 0.9, True),
        (0.9, 0.88, True),
        (0.9, 0.879, False),
        (0.9, 0.0, False),
        (None, None, True),
    ],
)
def test_the_margin_of_versions_of_an_older_servery(
    base: float | None, new: float | None, passes: bool
) -> None:
    verdict = judge(Evaluation(100, 0.5, 0.5, 100, new, base), None)
    assert verdict.rule is (Rule.PASSED if passes else Rule.OLD_RECALL)
