"""How fast TensorFlow decodes and OpenVINO computes in-process: `python -m ... VERSION BATCH`.

Uses all cores, as a server does: one batch is decoded while another is computed.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.model_server.accelerated_session import AcceleratedSession
from serving.model_server.loader import Loader
from serving.tf.names import CLASSES, CLASSIFY_SIGNATURE, IMAGES, SCORES
from serving.tf.runtime_choice import OPENVINO
from serving.tf.tensors import string_tensor
from tests.benchmarks.serving_throughput_load import photos, say_rates

AT_ONCE = 2


def main() -> None:
    folder, batch = Path(sys.argv[1]), int(sys.argv[2])
    session = Loader(runtime=OPENVINO).load("model", 1, folder).session
    if not isinstance(session, AcceleratedSession):
        sys.exit("OpenVINO does not compute this version.")
    signature = session.signatures[CLASSIFY_SIGNATURE]
    outputs = [signature.outputs[name].name for name in (CLASSES, SCORES)]
    compute = session.computation([signature.inputs[IMAGES].name], outputs)
    images = photos()

    def answer_until(end: float, number: int) -> int:
        answered = 0
        while time.perf_counter() < end:
            rows = [images[(number + at) % len(images)] for at in range(batch)]
            compute([string_tensor(rows)], None)
            answered += batch
            number += AT_ONCE * batch
        return answered

    def rate(seconds: float) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            numbers = [at * batch for at in range(AT_ONCE)]
            counts = list(threads.map(answer_until, [start + seconds] * AT_ONCE, numbers))
        return sum(counts) / (time.perf_counter() - start)

    say_rates(rate)


if __name__ == "__main__":
    main()
