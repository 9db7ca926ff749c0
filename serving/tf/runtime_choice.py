"""What computes a version: the runtime and its precision, as the version's card says.

They are chosen once, when the version is made, and are the same in every instance, so that
scores do not depend on which instance answers.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serving.tf.names import CARD_FILE

TENSORFLOW, OPENVINO = "tensorflow", "openvino"
RUNTIMES = (TENSORFLOW, OPENVINO)
F32, BF16 = "f32", "bf16"
PRECISIONS = (F32, BF16)
"""From the most exact to the fastest."""

_MAX_CARD_BYTES = 2**26


@dataclass(frozen=True)
class RuntimeChoice:
    """What computes a version. The defaults are for versions whose card says nothing."""

    runtime: str = OPENVINO
    precision: str = F32


def read_choice(version_folder: Path) -> RuntimeChoice:
    """Return what the card in a version's folder says.

    What is not there or cannot be read stands for the defaults, as does what this server does
    not know: it is a matter of speed, and no reason not to serve the version.
    """
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        path = version_folder / CARD_FILE
        if path.stat().st_size <= _MAX_CARD_BYTES:
            card = json.loads(path.read_bytes())
            runtime, precision = card.get("runtime"), card.get("precision")
            return RuntimeChoice(
                runtime if runtime in RUNTIMES else OPENVINO,
                precision if precision in PRECISIONS else F32,
            )
    return RuntimeChoice()
