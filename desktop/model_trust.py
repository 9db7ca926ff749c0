"""What it means to trust a model, in the words that the window and the command line share."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import TrustSummary
from desktop.translation import tr

A_MODEL_IS_A_PROGRAM = tr("A model is a program: use only models that you trust.")
_MAX_NAMED = 5
AFTER_WITHDRAWAL = tr(
    "It is not loaded again, and training does not use it. Instances that"
    " have loaded it keep it until another version is live, or until they"
    " are replaced: on the Fleet page, or with `servery fleet restart`."
)
"""What follows from withdrawing trust."""


def explanation(found: TrustSummary) -> str:
    """Say what a version could do, as plain text of three sentences."""
    name = tr("Version {version} of {model}", version=found.version, model=found.model)
    trust = tr("You trust its files as they are now; if one is changed, it is not loaded any more.")
    return f"{what_it_can_do(name, found.unsafe_parts)} {trust}"


def what_it_can_do(name: str, unsafe_parts: Sequence[str]) -> str:
    """Say in two sentences what a model called `name` could do by way of these operations."""
    shown = ", ".join(unsafe_parts[:_MAX_NAMED])
    more = len(unsafe_parts) - _MAX_NAMED
    uses = (
        tr(
            "{name} uses {operations} and {more} more: with that it can"
            " read, change and send away whatever you can, as soon as it is loaded.",
            name=name,
            operations=shown,
            more=more,
        )
        if more > 0
        else tr(
            "{name} uses {operations}: with that it can"
            " read, change and send away whatever you can, as soon as it is loaded.",
            name=name,
            operations=shown,
        )
    )
    return f"{A_MODEL_IS_A_PROGRAM} {uses}"
