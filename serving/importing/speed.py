"""How fast this machine answers with a version."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from serving.model_server.loader import AUTO, Loader
from serving.tf import names
from serving.tf.tensors import string_tensor

_SECONDS = 2.0
_BATCH, _BATCHES = 8, 50


def milliseconds_per_photo(folder: Path, photos: Sequence[bytes]) -> float:
    """Return how long one of many photos takes, with all cores, after warming up.

    `photos` are JPEG files. It takes two seconds at most, after the first. Raises ServingError.
    """
    session = Loader(runtime=AUTO).load("", 0, folder).session
    signature = session.signatures[names.CLASSIFY_SIGNATURE]
    compute = session.computation(
        [signature.inputs[names.IMAGES].name], [signature.outputs[names.SCORES].name]
    )
    batch = string_tensor([photos[at % len(photos)] for at in range(_BATCH)])
    compute([batch], None)
    done, elapsed, began = 0, 0.0, time.perf_counter()
    while elapsed < _SECONDS and done < _BATCHES:
        compute([batch], None)
        done, elapsed = done + 1, time.perf_counter() - began
    session.close()
    return 1000 * elapsed / (done * _BATCH)
