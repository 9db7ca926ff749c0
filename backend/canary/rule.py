"""The rule by which a canary ends: what is counted, and what decides.

Everything is a count of yes and no: a request that only one version answered, an answer on which
both agree. How sure a count is, is said by a confidence sequence (Robbins 1970, with a uniform
prior): an interval that holds the true share at every moment at once with 95%. So the rule may
look after every request, and is wrong in no more than 5% of all canaries for each of its four
counts, however often it looks. An interval of a fixed number of requests would be wrong sooner or
later.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from backend.contract import Rule
from serving.models.canary import CanarySample, Failure

CONFIDENCE = 0.95
MAX_AGREEMENT, MIN_AGREEMENT = 0.8, 0.5
"""Bounds of the share of photos, 0 to 1, on which a canary has to agree with the stable version."""
AGREEMENT_BELOW_ACCURACY = 0.1
"""How far the required agreement is below the accuracy of the stable version: of two versions that
are right on 70% of the photos, a good one agrees on little more than that."""
MIN_PHOTOS = 30
"""With fewer photos that both versions answered, agreement decides nothing."""
SLOWER = 1.5
"""An answer that took so many times as long counts as slower."""
TIMED = 100
"""The newest answers whose times count: a version that was just loaded is slow at first."""
MIN_TIMED = 50


@dataclass(frozen=True)
class Tally:
    """What was counted of the requests that both versions were asked."""

    requests: int = 0
    canary_failures: int = 0
    """Answered by the stable version alone."""
    stable_failures: int = 0
    photos: int = 0
    """Different photos that both answered, the canary with a class that the stable version has."""
    agreements: int = 0
    """Of these."""
    canary_right: int = 0
    """Photos that people have labelled since it began, and on which it alone was right."""
    stable_right: int = 0
    timed: int = 0
    slower: int = 0
    """Of these, those for which the canary took SLOWER times as long, or more."""
    canary_milliseconds: float | None = None
    """The median."""
    stable_milliseconds: float | None = None

    @property
    def agreement(self) -> tuple[float, float]:
        """Between which shares the agreement is."""
        return interval(self.agreements, self.photos)


def count(
    samples: Sequence[CanarySample], stable_classes: Collection[str], labels: Mapping[str, str]
) -> Tally:
    """Count `samples`, in the order in which they were taken.

    A class that only the canary has is no disagreement: the stable version could not answer it.
    `labels` are what people have said since the canary began, by the SHA-256 of the photo.
    """
    answered = [each for each in samples if each.failed is Failure.NONE]
    # One photo that is sent again and again says no more than once.
    photos = {each.image: each.answers for each in answered}
    known = frozenset(stable_classes)
    comparable = [answers for answers in photos.values() if answers[1] in known]
    right = [
        (stable == labels[image], canary == labels[image])
        for image, (stable, canary) in photos.items()
        if image in labels
    ]
    times = [each.milliseconds for each in answered[-TIMED:]]
    return Tally(
        requests=len(samples),
        canary_failures=sum(each.failed is Failure.CANARY for each in samples),
        stable_failures=sum(each.failed is Failure.STABLE for each in samples),
        photos=len(comparable),
        agreements=sum(stable == canary for stable, canary in comparable),
        canary_right=sum(canary and not stable for stable, canary in right),
        stable_right=sum(stable and not canary for stable, canary in right),
        timed=len(times),
        slower=sum(canary >= SLOWER * stable for stable, canary in times),
        canary_milliseconds=statistics.median(each[1] for each in times) if times else None,
        stable_milliseconds=statistics.median(each[0] for each in times) if times else None,
    )


def required_agreement(stable_accuracy: float | None) -> float:
    """Return on which share of the photos a canary has to agree, at least.

    `stable_accuracy` is that of the stable version, from 0 to 1, if it is known.
    """
    if stable_accuracy is None:
        return MAX_AGREEMENT
    below = stable_accuracy - AGREEMENT_BELOW_ACCURACY
    return max(MIN_AGREEMENT, min(MAX_AGREEMENT, below))


@dataclass(frozen=True)
class Outcome:
    """How a canary ends."""

    promoted: bool
    rule: Rule
    because: str
    """For people, as a sentence."""


def outcome(tally: Tally, seconds_left: float, required: float = MAX_AGREEMENT) -> Outcome | None:
    """Return how a canary ends; None while it goes on. It has to agree on a share `required`.

    In this order: failures, times and labels against it, labels for it, agreement. When the time
    is up, whatever the counts say by themselves decides.
    """
    decided = _certain(tally, required)
    if decided is None and seconds_left <= 0:
        return _outcome_at_end(tally, required)
    return decided


def _certain(tally: Tally, required: float) -> Outcome | None:
    failures = tally.canary_failures + tally.stable_failures
    if interval(tally.canary_failures, failures)[0] > 0.5:
        return Outcome(
            False,
            Rule.CANARY_FAILED,
            f"It did not answer {tally.canary_failures:,} requests that the live version answered.",
        )
    if tally.timed >= MIN_TIMED and interval(tally.slower, tally.timed)[0] > 0.5:
        return Outcome(
            False,
            Rule.CANARY_SLOWER,
            f"It took {SLOWER:g} times as long or longer for {tally.slower:,} of"
            f" {tally.timed:,} requests.",
        )
    labelled = tally.canary_right + tally.stable_right
    low, high = interval(tally.canary_right, labelled)
    if high < 0.5 or low > 0.5:
        return Outcome(low > 0.5, Rule.CANARY_LABELS, _labels_sentence(tally))
    low, high = tally.agreement
    if tally.photos < MIN_PHOTOS:
        return None
    if high < required:
        return Outcome(False, Rule.CANARY_AGREEMENT, _agreement_sentence(tally, required))
    if low > required and _labels_allow(tally):
        return Outcome(True, Rule.CANARY_AGREEMENT, _agreement_sentence(tally, required))
    return None


def _outcome_at_end(tally: Tally, required: float) -> Outcome:
    time = "When its time was up"
    if tally.photos < MIN_PHOTOS:
        few = f"{time}, too few photos had been compared: {tally.photos:,} of {MIN_PHOTOS}."
        return Outcome(False, Rule.CANARY_TIME, few)
    if tally.canary_failures > tally.stable_failures:
        failed = f"{time}, it had not answered {tally.canary_failures:,} requests."
        return Outcome(False, Rule.CANARY_TIME, failed)
    if not _labels_allow(tally):
        return Outcome(False, Rule.CANARY_TIME, f"{time}: {_labels_sentence(tally)}")
    agrees = tally.agreements >= required * tally.photos
    return Outcome(agrees, Rule.CANARY_TIME, f"{time}: {_agreement_sentence(tally, required)}")


def _labels_allow(tally: Tally) -> bool:
    return tally.canary_right >= tally.stable_right


def _agreement_sentence(tally: Tally, required: float) -> str:
    return (
        f"It agreed with the live version on {tally.agreements:,} of {tally.photos:,} photos;"
        f" {100 * required:.0f}% are required."
    )


def _labels_sentence(tally: Tally) -> str:
    return (
        f"Of the photos that people labelled meanwhile, it alone was right on"
        f" {tally.canary_right:,}, the live version alone on {tally.stable_right:,}."
    )


def interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return between which shares the true one is, at every number of trials at once."""
    if not trials:
        return 0.0, 1.0
    share = successes / trials
    limit = -math.log(1 - confidence)

    def excluded(p: float) -> bool:
        return _log_evidence(successes, trials, p) >= limit

    return (
        _boundary(0.0, share, excluded) if successes else 0.0,
        _boundary(1.0, share, excluded) if successes < trials else 1.0,
    )


def _boundary(outside: float, inside: float, excluded: object) -> float:
    """Return where, between two shares, what is excluded ends; to a millionth."""
    assert callable(excluded)
    while abs(outside - inside) > 1e-6:
        middle = (outside + inside) / 2
        if excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_evidence(successes: int, trials: int, p: float) -> float:
    """Return the logarithm of the likelihood over all shares to that of `p`.

    If `p` is the true share, it ever reaches 1 / alpha in no more than alpha of all cases (Ville).
    """
    failures = trials - successes
    log_beta = math.lgamma(successes + 1) + math.lgamma(failures + 1) - math.lgamma(trials + 2)
    at_p = successes * math.log(p) if successes else 0.0
    at_p += failures * math.log1p(-p) if failures else 0.0
    return log_beta - at_p
