"""What it costs a request of one photo to be looked at before it is parsed, in microseconds.

python -m tests.benchmarks.request_checks
"""

from __future__ import annotations

import base64
import timeit

from serving.model_server import rest_bodies
from serving.model_server.image_headers import decoded_sizes
from serving.model_server.json_scan import check_json
from serving.model_server.limits import RequestLimits
from serving.tf.messages import predict_pb2, types_pb2
from serving.tf.tensors import from_proto
from serving.tf.wire import measure
from tests.benchmarks.measure import Figure
from tests.benchmarks.raw_requests import field, predict, tensor
from tests.benchmarks.serving_throughput_load import photos

_RUNS, _CALLS = 7, 200


def main() -> None:
    photo = sorted(photos(), key=len)[len(photos()) // 2]
    limits = RequestLimits()
    message = predict("model", tensor(types_pb2.DT_STRING, [1], field(8, photo)))
    body = b'{"instances": [{"b64": "%b"}]}' % base64.b64encode(photo)
    request = predict_pb2.PredictRequest.FromString(message)
    images = from_proto(request.inputs["images"], "images")
    print(f"a photo of {len(photo)} bytes")
    for name, work in (
        ("gRPC: look at the message", lambda: measure(message, predict_pb2.PredictRequest, 2000)),
        ("gRPC: parse it", lambda: predict_pb2.PredictRequest.FromString(message)),
        ("gRPC: make the tensor", lambda: from_proto(request.inputs["images"], "images")),
        ("REST: look at the body", lambda: check_json(body, limits)),
        ("REST: parse it", lambda: rest_bodies.parse_object(body)),
        ("both: read the header of the photo", lambda: decoded_sizes(images, limits, True)),
    ):
        seconds = timeit.repeat(work, number=_CALLS, repeat=_RUNS)
        print(Figure(name, [1e6 * value / _CALLS for value in seconds], "us"), flush=True)


if __name__ == "__main__":
    main()
