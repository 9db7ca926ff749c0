"""Whether a fine-tuned network is better than the one it came from, beyond chance.

Both answer the same photos, and neither they nor their heads learned from the photo that they
answer: see `rounds`. Near-duplicates count as one photo, since they are right or wrong together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backend.contract import NetworkComparison
from backend.training.features import Integers

CONFIDENCE = 0.95
"""A gain counts if chance alone makes one as large in at most 5% of all cases."""
_FLIPS = 9999
_ROUNDING = 1e-9

Flags = npt.NDArray[np.bool_]


def compare_networks(before: Flags, after: Flags, units: Sequence[Integers]) -> NetworkComparison:
    """Compare what two networks answer rightly [N] of the same photos.

    `units` are indices of photos that show one thing. The p-value is of a test that lets all that
    a unit gains or loses speak for either network with the same probability (a one-sided
    sign-flipping test).
    """
    change = after.astype(float) - before
    gains = np.array([change[unit].sum() for unit in units])
    differ = gains[np.abs(gains) > _ROUNDING]
    signs = np.random.default_rng(len(before)).integers(0, 2, (_FLIPS, len(differ))) * 2 - 1
    extreme_flips = int(np.sum(signs @ np.abs(differ) >= differ.sum() - _ROUNDING))
    return NetworkComparison(
        photos=len(before),
        before=float(before.mean()),
        after=float(after.mean()),
        p=(1 + extreme_flips) / (1 + _FLIPS),
    )


def is_better(found: NetworkComparison) -> bool:
    """Say whether the gain is more than chance would give."""
    return found.after > found.before and found.p <= 1 - CONFIDENCE
