"""What it means to trust a model, in the words that the window and the command line share."""

from __future__ import annotations

from backend.contract import TrustSummary

A_MODEL_IS_A_PROGRAM = "A model is a program: use only models that you trust."
_MOST = 5
LOADED_STAYS = (
    "It is not loaded again, and training does not use it. Instances that have loaded it keep it "
    "until another version is live, or until they are replaced: on the Fleet page, or with "
    "`servery fleet restart`."
)
"""What follows from withdrawing trust."""


def explanation(found: TrustSummary) -> str:
    """Say what a version could do, as plain text of three sentences."""
    parts = found.unsafe_parts
    shown = ", ".join(parts[:_MOST])
    more = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return (
        f"{A_MODEL_IS_A_PROGRAM} Version {found.version} of {found.model} uses {shown}{more}: with "
        "that it can read, change and send away whatever you can, as soon as it is loaded. You "
        "trust its files as they are now; if one is changed, it is not loaded any more."
    )
