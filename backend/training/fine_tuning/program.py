"""The program that fine-tunes the last blocks of a network.

`python -m backend.training.fine_tuning.program SPEC_FILE` reports on its standard output as
`worker_protocol.py` says. It writes `tuned_file` if the tuned network is better beyond chance, and
changes nothing else: killed at any moment it leaves nothing behind but its log. It takes the
processor only after others, and one core of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from threadpoolctl import threadpool_limits

from backend.training.embed_images import EmbeddedImages, embed_images, read
from backend.training.features import Rows
from backend.training.fine_tuning.comparison import is_better
from backend.training.fine_tuning.conditions import CHUNK, Work
from backend.training.fine_tuning.graph_cut import find_bottlenecks, graph_of
from backend.training.fine_tuning.network import RECIPE, Activations, LowerPart, Recipe
from backend.training.fine_tuning.rounds import Tuning
from backend.training.fine_tuning.tuned_network import (
    EmbeddingNetwork,
    TunedNetwork,
    backbone_before,
)
from backend.training.head import ServableGraph
from backend.training.learned import Learned
from backend.training.loaded_version import UnreadableImages, check_loadable
from backend.training.low_priority import lower_priority
from backend.training.regression import sorted_rows
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker import refusal
from backend.training.worker_protocol import (
    FineTuned,
    LabeledImage,
    Message,
    TrainingFailure,
    TrainingProgress,
    TrainingSpec,
    to_line,
)
from serving.errors import ModelError, ServeryError
from serving.files import flush_file
from serving.model_server.log_limit import limit_own_log
from serving.parent import EXIT_WITHOUT_PARENT, end_with_parent
from serving.private import set_private_umask
from serving.text.log_lines import log_lines
from serving.units import format_duration

_LAST = 0.9
"""The progress when the network is tuned; then a head is fitted to what it sees."""
_REPORT_SECONDS = 1.0
"""Between two reports."""

Send = Callable[[Message], None]


class Progress:
    """Reports what is done of a known amount of work, and how long the rest will take."""

    def __init__(self, send: Send, total: float, clock: Callable[[], float]) -> None:
        """`total` in units of which each takes about the same time; `clock` in seconds."""
        self._send = send
        self._total = total
        self._clock = clock
        self._began = clock()
        self._reported = -_REPORT_SECONDS
        self._done = 0.0

    def add(self, text: str, units: float) -> None:
        """Say that so many units are done, of what `text` says."""
        self._done = min(self._total, self._done + units)
        now = self._clock()
        if now - self._reported < _REPORT_SECONDS:
            return
        self._reported = now
        share = self._done / self._total
        left = (now - self._began) * (1 - share) / share if share else 0.0
        about = f" About {format_duration(left)} left." if share else ""
        self._send(TrainingProgress(_LAST * share, f"{text}.{about}"))


def fine_tune(
    spec: TrainingSpec,
    send: Send,
    clock: Callable[[], float] = time.monotonic,
    recipe: Recipe = RECIPE,
) -> FineTuned:
    """Compare, and write `spec.tuned_file` if the tuned network is better; raises ServeryError."""
    base_folder = Path(spec.base_folder)
    check_loadable(base_folder)
    graph = ServableGraph(base_folder)
    head = graph.head()
    if Learned.read(base_folder, head).foundation.classes:
        raise ModelError(
            "The network of this model is not fine-tuned: the model keeps classes of which there"
            " are no photos here, and would forget them.",
            "Make a model of your own classes only, and label photos for it.",
        )
    send(TrainingProgress(0.0, "Reading the photos."))
    before = TunedNetwork.of_version(base_folder)
    embedded = _live_rows(spec, graph)
    progress = Progress(send, Work(len(embedded.rows)).units, clock)
    lower = _lower_part(base_folder, spec)
    with tempfile.TemporaryFile(dir=Path(spec.tuned_file).parent) as file:
        activations, rows = _activations(file, lower, spec, sorted_rows(embedded.rows), progress)
        start = {**lower.weights, **(before.before if before is not None else {})}
        lower.close()
        tuning = Tuning(lower.upper, start, activations, rows, recipe)
        tried = tuning.try_out(progress.add)
        better = is_better(tried.comparison)
        if better:
            weights = tuning.on_all(progress.add)
            tuned = TunedNetwork(
                backbone_before(graph, start),
                start,
                weights,
                dict(zip(rows.images, tried.embeddings, strict=True)),
            )
            aside = Path(f"{spec.tuned_file}.new")
            tuned.write(aside)
            flush_file(aside)
            aside.replace(spec.tuned_file)
    unreadable = len(spec.images) - len(rows)
    return FineTuned(tried.comparison, better, unreadable)


def _live_rows(spec: TrainingSpec, graph: ServableGraph) -> EmbeddedImages:
    """Return the labelled photos as the live network sees them."""
    folder = Path(spec.base_folder)
    network = EmbeddingNetwork.of(folder, graph, len(graph.head().kernel) // 2)
    warm = WarmBackbone(keeps=False)
    return embed_images(spec, spec.images, (), network, lambda done, total: None, warm)


def _lower_part(base_folder: Path, spec: TrainingSpec) -> LowerPart:
    bottlenecks = find_bottlenecks(graph_of(base_folder))
    for image in spec.images:
        jpeg = read(image)
        if jpeg is not None:
            with contextlib.suppress(UnreadableImages):
                return LowerPart(bottlenecks, jpeg)
    raise ModelError(
        "None of the labelled photos can be read any more.", "Label some photos again, then train."
    )


def _activations(
    file: IO[bytes],
    lower: LowerPart,
    spec: TrainingSpec,
    rows: Rows,
    progress: Progress,
) -> tuple[Activations, Rows]:
    """Compute what the network has of each photo at the cut, into a file that has no name.

    A photo that cannot be read or decoded is left out.
    """
    shape = (2, len(rows), *lower.shape)
    found = np.memmap(file, np.float16, "w+", shape=shape)
    paths = {image.image: image for image in spec.images}
    kept: list[int] = []
    for start in range(0, len(rows), CHUNK):
        batch = [paths[image] for image in rows.images[start : start + CHUNK]]
        for offset, of_photo in _of_batch(lower, batch):
            found[:, len(kept)] = of_photo
            kept.append(start + offset)
        text = f"Looking at the photos: {start + len(batch):,} of {len(rows):,}"
        progress.add(text, Work(len(batch)).looking)
    is_kept = np.isin(np.arange(len(rows)), kept)
    return found[:, : len(kept)], rows.where(is_kept)


def _of_batch(lower: LowerPart, batch: list[LabeledImage]) -> list[tuple[int, Activations]]:
    """Return which photos of a batch could be decoded, and the activations [2, ...] of each."""
    jpegs = [(offset, data) for offset, image in enumerate(batch) if (data := read(image))]
    if not jpegs:
        return []
    try:
        found = lower.activations([data for _, data in jpegs])
    except UnreadableImages:
        if len(batch) == 1:
            return []
        # Find out which, so that it costs no other.
        return [
            (offset, of_photo)
            for offset, image in enumerate(batch)
            for _, of_photo in _of_batch(lower, [image])
        ]
    return [(offset, found[:, number]) for number, (offset, _) in enumerate(jpegs)]


def main() -> int:
    set_private_umask()
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    lower_priority()
    spec_file = Path(sys.argv[1]).resolve()
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the messages alone.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", closefd=False)
    os.dup2(2, 1)

    def send(message: Message) -> None:
        messages.write(to_line(message))
        messages.flush()

    limit_own_log(lambda log: log.parent == spec_file.parent)
    end_with_parent(0, lambda: os._exit(EXIT_WITHOUT_PARENT))
    try:
        with threadpool_limits(1):
            send(fine_tune(TrainingSpec.read(spec_file), send))
    except ServeryError as error:
        send(TrainingFailure(error.what, error.advice))
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        send(refusal(error, str(spec_file)))
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(OSError):  # the log may be on a full disk
        sys.stderr.flush()
    os._exit(exit_code)
