"""The program that loads one version as a server does and answers one photo with it.

`python -m serving.model_server.check_version MODEL NUMBER FOLDER MEMORY_LIMIT`. Reads a JPEG
file on its standard input, prints a JSON object on its standard output and ends: `answer`, the
serialized `PredictResponse` in base64; or `error`, what went wrong; or `refused`, why it was not
even loaded; or `untrusted`, why it would have to be trusted first. A version that ends its server
ends this program alone.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from serving.model_server.inference import prepare_predict
from serving.model_server.loader import Loader
from serving.tf.graph_safety import UnsafeModel
from serving.tf.messages import predict_pb2
from serving.tf.names import CLASSIFY_SIGNATURE, IMAGES
from serving.tf.status import Code, ServingError
from serving.tf.tensors import string_tensor, to_proto
from serving.tf.trust import TRUSTED_NAME

_PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h."""


def main(arguments: list[str]) -> int:
    model, number, folder, memory_limit = arguments
    _limit_resources(int(memory_limit))
    # What TensorFlow or the graph prints must not come between: the answer has a file of its own.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            jpeg = sys.stdin.buffer.read()
            answer = _answer(model, int(number), Path(folder), jpeg)
            result = {"answer": base64.b64encode(answer.SerializeToString()).decode()}
        except ServingError as error:
            reason = error.__cause__
            if isinstance(reason, UnsafeModel) and reason.can_be_trusted:
                result = {"untrusted": reason.message}
            elif error.code is Code.PERMISSION_DENIED:
                result = {"refused": error.message}
            else:
                result = {"error": f"TensorFlow says: {error.message}"}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(result))
    # Not by way of the interpreter's end: whatever the version still does has no say any more.
    os._exit(0)


def _answer(model: str, number: int, folder: Path, jpeg: bytes) -> Any:
    root = folder.parent.parent
    loader = Loader(root=root, refuses_unsafe=True, trusted=root / TRUSTED_NAME)
    servable = loader.load(model, number, folder)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = CLASSIFY_SIGNATURE
    request.inputs[IMAGES].CopyFrom(to_proto(string_tensor([jpeg])))
    call = prepare_predict(servable, request)
    return call.finish(call.computation(call.feeds, None))


def _limit_resources(memory_limit: int) -> None:
    """End with the parent, before any other program if memory runs out, and leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_limit:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, memory_limit))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
