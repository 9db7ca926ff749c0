"""Chooses what computes a version, once, when it is made.

That is OpenVINO in the lowest precision that this processor is fast at and that gives the answers
of TensorFlow, or TensorFlow if there is none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from serving.model_server.accelerated_session import (
    AcceleratedSession,
    NotAccelerated,
    accelerate,
)
from serving.model_server.openvino_runtime import fast_precisions
from serving.models.card import CARD_PATH, ModelCard
from serving.models.warm_up import warm_up_photo, write_warmup_embedding
from serving.tf import names
from serving.tf.cores import core_count
from serving.tf.runtime_choice import F32, OPENVINO, PRECISIONS, TENSORFLOW, RuntimeChoice
from serving.tf.session import Session
from serving.tf.tensors import string_tensor

MIN_SAME_CLASS = 0.98
"""Share of the photos that must be of the same class."""
MIN_COSINE = 0.999
"""Between the embeddings of each photo."""
MAX_SCORE_DIFFERENCE = 0.02
MIN_PHOTOS = 20
"""Fewer say too little about a network in a precision lower than f32."""

_BATCH = 8

log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What a version answers for N photos."""

    embeddings: Any
    """float32 [N, D]"""
    classes: Any
    """Bytes [N, k], best first."""
    scores: Any
    """float32 [N, k]"""


def record_runtime(
    folder: Path, photos: Sequence[bytes], *, has_known_network: bool = False
) -> None:
    """Write into a version's folder what computes it.

    Its card gets the runtime and the precision that agree with TensorFlow on `photos`, JPEG
    files, and on the photo of the warm-up records. If the precision in its card is that of
    another version, chosen for the same network, a few photos are enough. Where OpenVINO cannot
    be used at all, the card says nothing, and each instance finds out. Raises ServingError if
    TensorFlow fails.
    """
    is_enough = has_known_network or len(photos) >= MIN_PHOTOS
    photos = [warm_up_photo(), *photos]
    session = Session(folder, [names.SERVE_TAG], core_count(), core_count(), trusted=True)
    try:
        expected = _seen(session, photos)
    finally:
        session.close()
    write_warmup_embedding(folder, expected.embeddings[0])
    card = ModelCard.read(folder)
    lowest = card.precision if has_known_network else PRECISIONS[-1]
    choice = _choice(folder, photos, expected, lowest if is_enough else F32)
    if choice is None:
        card = replace(card, runtime="", precision="")
    else:
        card = replace(card, runtime=choice.runtime, precision=choice.precision)
    (folder / CARD_PATH).write_text(card.to_json())


def _choice(
    folder: Path, photos: Sequence[bytes], expected: Seen, lowest: str
) -> RuntimeChoice | None:
    allowed = PRECISIONS[: PRECISIONS.index(lowest) + 1]
    try:
        precisions = [each for each in fast_precisions() if each in allowed]
    except Exception:
        log.warning("OpenVINO cannot be used here", exc_info=True)
        return None
    for precision in precisions:
        try:
            session = accelerate(folder, [names.SERVE_TAG], (0, 0), _refuse, precision=precision)
            try:
                found = _seen(session, photos)
            finally:
                session.close()
        except Exception as reason:
            log.info("OpenVINO does not compute it in %s: %s", precision, reason)
            continue
        if agrees(expected, found):
            return RuntimeChoice(OPENVINO, precision)
    return RuntimeChoice(TENSORFLOW)


def _refuse() -> NoReturn:
    raise NotAccelerated("OpenVINO failed.")


def _seen(session: Session | AcceleratedSession, photos: Sequence[bytes]) -> Seen:
    signature = session.signatures[names.CLASSIFY_SIGNATURE]
    outputs = [signature.outputs[each].name for each in (names.CLASSES, names.SCORES)]
    compute = session.computation(
        [signature.inputs[names.IMAGES].name], [names.EMBEDDING_NODE, *outputs]
    )
    # The first alone, as servers compute what they compare with the recorded embedding: the last
    # bits of a photo's numbers may depend on the photos beside it.
    starts = [0, *range(1, len(photos), _BATCH)]
    batches = [photos[start:end] for start, end in pairwise([*starts, len(photos)])]
    parts = [compute([string_tensor(list(batch))], None) for batch in batches]
    return Seen(
        *(
            np.concatenate([part[output].array for part in parts])
            for output in range(len(outputs) + 1)
        )
    )


def agrees(expected: Seen, found: Seen) -> bool:
    """Say whether two runtimes see the same in the same photos, within the limits above."""
    if any(ours.shape != theirs.shape for ours, theirs in zip(expected, found, strict=True)):
        return False
    if not np.isfinite(found.embeddings).all() or not np.isfinite(found.scores).all():
        return False
    lengths = np.linalg.norm(expected.embeddings, axis=1) * np.linalg.norm(found.embeddings, axis=1)
    products = (expected.embeddings * found.embeddings).sum(axis=1)
    # A network may see nothing in a photo: two embeddings of zeros are the same.
    same = (expected.embeddings == found.embeddings).all(axis=1)
    if not (same | (products >= MIN_COSINE * lengths) & (lengths > 0)).all():
        return False
    if not expected.classes.shape[1]:
        return True
    if np.mean(expected.classes[:, 0] == found.classes[:, 0]) < MIN_SAME_CLASS:
        return False
    rows = zip(expected.classes, expected.scores, found.classes, found.scores, strict=True)
    return all(_difference(*row) <= MAX_SCORE_DIFFERENCE for row in rows)


def _difference(classes: Any, scores: Any, other_classes: Any, other_scores: Any) -> float:
    """Return the largest difference of a score; what is not listed scores at most the last."""
    ours: dict[bytes, float]
    theirs: dict[bytes, float]
    ours = dict(zip(classes, scores.tolist(), strict=True))
    theirs = dict(zip(other_classes, other_scores.tolist(), strict=True))
    least, others_least = min(ours.values()), min(theirs.values())
    return max(
        abs(ours.get(name, least) - theirs.get(name, others_least)) for name in {**ours, **theirs}
    )
