"""Requests that try to cost the server far more than their bytes."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import threading
from pathlib import Path

import grpc
import psutil
import pytest

from serving.models.repository import ModelRepository
from serving.tf.messages import predict_pb2, types_pb2
from tests.benchmarks.attack import Attack, Target
from tests.benchmarks.hostile_tensors import ATTACKS
from tests.benchmarks.raw_requests import call, field, predict, tensor
from tests.integration.model_server.calls import (
    classification_request,
    example,
    half,
    predict_request,
    refusal,
    regression_request,
)
from tests.integration.model_server.calls import tensor as tensor_of
from tests.integration.model_server.conftest import RunningServer, StartServer, launch
from tests.support.jpeg_bytes import declared_jpeg
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import block_until

MEBIBYTE = 1 << 20
PEAK_BYTES = 600 * MEBIBYTE
_SENT = (
    "gRPC: one byte declared as 2^28 strings",
    "gRPC: one float declared as 2^28",
    "gRPC: a few bytes of content declared as 2^28 strings",
    "gRPC: 80 MB that are 4*10^7 empty strings",
    "gRPC: 80 MB of packed int64, a byte each",
    "gRPC: a shape of negative and overflowing dimensions",
    "gRPC: 4*10^7 inputs of the same name",
    "gRPC: an output filter of 10^6 names",
    "gRPC: variants nested 10,000 deep",
    "gRPC: MultiInference of 10^7 tasks",
    "gRPC: 20,000 photos in one request",
    "gRPC: a progressive JPEG that declares 65,500 x 65,500",
    "gRPC: a progressive JPEG of 20,000 scans",
    "REST: 80 MB of [[],[],...]",
    "REST: 10^7 empty objects",
    "REST: the same key 5*10^6 times",
    "REST: a number of 50 million digits",
    "REST: lists nested 10^7 deep",
    "REST: 60 MB of text with one emoji",
    "REST: a body that declares a terabyte",
    "REST: a gigabyte in chunks",
)


@pytest.fixture(scope="module")
def target(
    server_processes: list[subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunningServer, Target]:
    """A server of an image model, and what attacks need to know of it."""
    folder = tmp_path_factory.mktemp("hostile")
    version = install_tiny(ModelRepository(folder / "models"))
    server = launch(
        server_processes,
        folder / "run",
        f"--model_name={TINY_MODEL}",
        f"--model_base_path={version.path.parent}",
        "--runtime=tensorflow",
    ).wait()
    grpc_address = f"127.0.0.1:{server.ports['grpc']}"
    rest = "127.0.0.1", server.ports["rest"]
    return server, Target(rest, grpc_address, rest, TINY_MODEL, painting("red", 0))


def peak_memory(server: RunningServer) -> int:
    """The most memory since `forget_peak`, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


def forget_peak(server: RunningServer) -> int:
    """Let `peak_memory` begin again; returns the memory now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return int(psutil.Process(server.process.pid).memory_info().rss)


def photo_request(target: Target) -> bytes:
    return predict(target.model, tensor(types_pb2.DT_STRING, [1], field(8, target.photo)))


@pytest.mark.parametrize("name", _SENT)
def test_costs_little_and_keeps_nobody_out(target: tuple[RunningServer, Target], name: str) -> None:
    server, at = target
    attack = next(attack for attack in ATTACKS if attack.name == name)
    assert call(at, "Predict", photo_request(at)) == "OK"
    before = forget_peak(server)
    answers = answers_meanwhile(at, attack)
    assert server.process.poll() is None, server.log()
    assert peak_memory(server) - before < PEAK_BYTES
    assert set(answers) <= {"OK"}
    assert call(at, "Predict", photo_request(at)) == "OK"
    block_until(
        lambda: psutil.Process(server.process.pid).memory_info().rss < before + PEAK_BYTES / 4
    )
    assert "unexpected error" not in server.log()


def answers_meanwhile(at: Target, attack: Attack) -> list[str]:
    """What another caller is answered while the attack lasts."""
    answers: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(call(at, "Predict", photo_request(at)))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        attack.send(at)
    finally:
        over.set()
        asking.join()
    return answers


def test_single_value_fills_a_small_shape(target: tuple[RunningServer, Target]) -> None:
    """As in TensorFlow: the last value sent is repeated."""
    server, at = target
    request = predict_pb2.PredictRequest.FromString(
        predict(at.model, tensor(types_pb2.DT_STRING, [3], field(8, at.photo)))
    )
    response = server.predictions.Predict(request, timeout=60)
    classes = response.outputs["classes"]
    assert classes.tensor_shape.dim[0].size == 3
    assert set(classes.string_val[::6]) == {b"red"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/none:predict", 404),
        ("/v1/models/half_plus_two/versions/9:classify", 404),
        ("/v1/models/half_plus_two/labels/none:regress", 400),
        ("/v1/models/half_plus_two/versions/9999999999999999999:predict", 400),
        ("/v1/nothing", 400),
        ("/nothing", 404),
    ],
)
@pytest.mark.parametrize("kind", ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
def test_a_large_body_that_no_model_takes_is_not_waited_for(
    sample_server: RunningServer, path: str, status: int, kind: str
) -> None:
    with socket.create_connection(("127.0.0.1", sample_server.ports["rest"]), 60) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n\r\n".encode())
        assert connection.recv(12) == f"HTTP/1.1 {status}".encode()


def test_limits_are_flags(start_server: StartServer, sample_models: Path) -> None:
    server = start_server(
        "--model_name=half_plus_two",
        f"--model_base_path={sample_models / 'half_plus_two'}",
        "--max_request_bytes=20000",
        "--max_request_parts=100",
        "--max_request_rows=2",
        "--max_unsent_values=10",
        "--max_json_values=50",
        "--max_json_depth=4",
    )
    predict_path = "/v1/models/half_plus_two:predict"
    stub = server.predictions
    large = half("half_plus_two")
    large.inputs["x"].float_val.extend([1.0] * 10_000)
    assert refusal(stub.Predict, large)[0] == "RESOURCE_EXHAUSTED"
    many = predict_request("half_plus_two", {"x": tensor_of([b""] * 101, "object")})
    code, message = refusal(stub.Predict, many)
    assert (code, message[:40]) == (
        "RESOURCE_EXHAUSTED",
        "The request has more than 100 fields and",
    )
    unsent = half("half_plus_two")
    unsent.inputs["x"].tensor_shape.dim[0].size = 12
    assert refusal(stub.Predict, unsent) == (
        "INVALID_ARGUMENT",
        "tensor parsing error: x declares 12 values, and 11 of them were not sent. At most 10 "
        "may be left out.",
    )
    unsent.inputs["x"].tensor_shape.dim[0].size = 11
    assert list(stub.Predict(unsent).outputs["y"].float_val) == [2.5] * 11
    examples = [example(x=1.0)] * 3
    regression = regression_request("half_plus_two", "regress_x_to_y", *examples)
    assert "at most 2" in refusal(stub.Regress, regression)[1]
    classification = classification_request("half_plus_two", "classify_x_to_y", *examples)
    assert "at most 2" in refusal(stub.Classify, classification)[1]
    regression.input.example_list_with_context.examples.extend(examples[:2])
    regression.input.example_list_with_context.context.CopyFrom(example(**{"n" * 12_000: 1.0}))
    assert "The context has" in refusal(stub.Regress, regression)[1]
    assert server.http(predict_path, b" " * 20_001).status == 413
    zipped = server.http(
        predict_path, gzip.compress(b" " * 20_001), headers={"Content-Encoding": "gzip"}
    )
    assert (zipped.status, "20000 bytes once it is unzipped" in zipped.json["error"]) == (400, True)
    assert server.http(predict_path, {"instances": [[1.0]] * 30}).status == 429
    deep = server.http(predict_path, {"instances": [[[[1.0]]]]})
    assert (deep.status, deep.json["error"]) == (
        400,
        "JSON Parse error: The document is nested too deeply.",
    )
    assert server.http(predict_path, {"instances": [[1.0]]}).json == {"predictions": [[2.5]]}


def test_zero_sets_no_limit(start_server: StartServer, sample_models: Path) -> None:
    names = (
        *("max_request_bytes", "max_request_parts", "max_request_rows", "max_unsent_values"),
        *("max_json_values", "max_json_depth", "max_image_pixels", "max_image_bytes"),
        "max_bytes_in_flight",
    )
    server = start_server(
        "--model_name=half_plus_two",
        f"--model_base_path={sample_models / 'half_plus_two'}",
        *(f"--{name}=0" for name in names),
    )
    many = json.dumps({"instances": [[1.0]] * 20_000}).encode()
    assert len(server.http("/v1/models/half_plus_two:predict", many).json["predictions"]) == 20_000
    examples = [example(x=1.0)] * 20_000
    regression = regression_request("half_plus_two", "regress_x_to_y", *examples)
    assert len(server.predictions.Regress(regression, timeout=60).result.regressions) == 20_000


def test_compressed_messages_are_answered(sample_server: RunningServer) -> None:
    request = half("half_plus_two", 2.0)
    request.model_spec.signature_name = "serving_default"
    request.output_filter.extend(["y"])
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        request.inputs["x"].float_val[:] = [2.0] * 1000
        request.inputs["x"].tensor_shape.dim[0].size = 1000
        response = sample_server.predictions.Predict(request, compression=compression, timeout=60)
        assert list(response.outputs["y"].float_val) == [3.0] * 1000


def test_images_in_examples_are_looked_at_too(sample_server: RunningServer) -> None:
    image = declared_jpeg(60_000, 60_000, progressive=True)
    request = regression_request("half_plus_two", "regress_x_to_y", example(x=1.0, image=image))
    code, message = refusal(sample_server.predictions.Regress, request)
    assert (code, message[:44]) == (
        "INVALID_ARGUMENT",
        "An image declares 60000 x 60000 pixels in 10",
    )


def test_long_names_are_not_kept(sample_server: RunningServer) -> None:
    name = "x" * 100_000
    assert refusal(sample_server.predictions.Predict, half(name))[0] == "NOT_FOUND"
    metrics = sample_server.http("/monitoring/prometheus/metrics").body
    assert b"x" * 200 in metrics
    assert b"x" * 201 not in metrics
