"""Says in a sentence how a canary stands."""

from __future__ import annotations

from backend.canary.rule import MIN_PHOTOS, Tally
from serving.models.canary import Canary, CanaryPhase


def progress_sentence(canary: Canary, tally: Tally, required: float, missing: str) -> str:
    """Say what is waited for: agreement on a share `required`, or instances that lack it."""
    if canary.phase is CanaryPhase.LOADING:
        by = f" by {missing}" if missing else ""
        return f"Waiting until version {canary.version} is loaded{by}."
    share = f"{100 * canary.share:g}% of the requests"
    if not tally.photos:
        return f"It answers {share}. No photo has been compared yet."
    agreed = (
        f"It answers {share} and agrees on {tally.agreements:,} of {tally.photos:,} photos"
        f" ({100 * tally.agreements / tally.photos:.0f}%)."
    )
    if tally.photos < MIN_PHOTOS:
        return f"{agreed} At least {MIN_PHOTOS} are needed."
    low, high = tally.agreement
    return (
        f"{agreed} With 95% the share is between {100 * low:.0f}% and {100 * high:.0f}%; it ends"
        f" once that leaves no doubt about {100 * required:.0f}%."
    )
