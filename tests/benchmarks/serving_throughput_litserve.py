"""LitServe with dynamic batching over the plain Keras export: what people would pick.

    python tests/benchmarks/serving_throughput_litserve.py EXPORT CLASSES PORT

needs `litserve` and `tensorflow` and nothing of ours. It takes `{"image": base64}`
and answers with the twenty best classes, as our versions do.
"""

import base64
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from fastapi import Request

MAX_BATCH_SIZE = 32
BATCH_SECONDS = 0.005
ANSWERS = 20
EXPORT, CLASSES, PORT = sys.argv[1:]


class Classifier(litserve.LitAPI):
    """Decodes and classifies in the export's own graph, a batch at a time."""

    def setup(self, device: str) -> None:
        import tensorflow as tf

        self.constant = tf.constant
        self.model = tf.saved_model.load(EXPORT)
        self.serve = self.model.signatures["serving_default"]
        self.names = Path(CLASSES).read_text().splitlines()

    def decode_request(self, request: Request) -> bytes:
        return base64.b64decode(request["image"])

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        return inputs

    def predict(self, images: list[bytes]) -> list[dict[str, Any]]:
        scores = self.serve(images=self.constant(images))["scores"].numpy()
        best = np.argsort(scores, axis=1)[:, : -ANSWERS - 1 : -1]
        return [
            {"classes": [self.names[at] for at in row], "scores": values[row].tolist()}
            for row, values in zip(best, scores, strict=True)
        ]

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    api = Classifier(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(host="127.0.0.1", port=int(PORT), generate_client_file=False, log_level="warning")
