"""How fast TensorFlow itself answers, without a server: `python -m ... VERSION BATCH`."""

from __future__ import annotations

import sys
import time

import tensorflow as tf

from tests.benchmarks.serving_throughput_load import photos, say_rates

SIGNATURE = "serving_default"


def main() -> None:
    folder, batch = sys.argv[1], int(sys.argv[2])
    model = tf.saved_model.load(folder)
    serve = model.signatures[SIGNATURE]
    images = photos()
    batches = [
        [images[(start + at) % len(images)] for at in range(batch)]
        for start in range(0, len(images), 8)
    ]

    def rate(seconds: float) -> float:
        answered, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds:
            results = serve(images=tf.constant(batches[answered // batch % len(batches)]))
            for result in results.values():
                result.numpy()
            answered += batch
        return answered / spent

    say_rates(rate)


if __name__ == "__main__":
    main()
