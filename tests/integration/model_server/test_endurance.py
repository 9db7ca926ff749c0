"""Thousands of malformed requests, and versions changing under load."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from tests.integration.model_server.calls import example, half, regression_request, tensor
from tests.integration.model_server.conftest import RunningServer, StartServer, add_version

MALFORMED = int(os.environ.get("SERVERY_FUZZ_REQUESTS", "2000"))
"""The full run is 10,000 requests."""
MEBIBYTE = 1 << 20


def _mutated(random_: random.Random, data: bytes) -> bytes:
    """Cut, flip, repeat or insert bytes."""
    if not data:
        return random_.randbytes(5)
    at = random_.randrange(len(data))
    match random_.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([random_.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + data[at : at + random_.randrange(20)] * 3 + data[at:]
        case _:
            return data[:at] + random_.randbytes(random_.randrange(1, 9)) + data[at:]


PATHS = (
    "/v1/models/half_plus_two:predict",
    "/v1/models/half_plus_two/versions/123:predict",
    "/v1/models/half_plus_two:classify",
    "/v1/models/half_plus_two:regress",
    "/v1/models/odds:predict",
)
BODIES: tuple[dict[str, Any], ...] = (
    {"instances": [[1.0], [2.0]]},
    {"inputs": {"x": [[1.0]]}},
    {"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}], "context": {"x": 1}},
    {"signature_name": "mixed", "instances": [{"a": [1, 2], "b": 1, "c": {"b64": "AAAA"}}]},
    {"signature_name": "echo", "inputs": {"in_float32": [[[1e30]]], "in_string": ["\ud800"]}},
)


def _odd_values() -> list[Any]:
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    return [None, True, -1, 2**70, 1e308, "", "\x00", [], {}, [[]], [{}], deep, {"b64": "?"}]


def _body(random_: random.Random) -> bytes:
    body = json.loads(json.dumps(random_.choice(BODIES)))
    if random_.random() < 0.5:
        body[random_.choice([*body, "instances", "inputs"])] = random_.choice(_odd_values())
        return json.dumps(body).encode()
    data = json.dumps(body).encode()
    for _ in range(random_.randrange(1, 4)):
        data = _mutated(random_, data)
    return data


def _rest_path(random_: random.Random) -> str:
    path = random_.choice(PATHS)
    if random_.random() < 0.3:
        path = _mutated(random_, path.encode()).decode("latin-1")
    return "/" + "".join(c if "!" <= c <= "~" else f"%{ord(c):02X}" for c in path).lstrip("/")


def test_malformed_http_requests_end_in_errors(sample_server: RunningServer) -> None:
    random_ = random.Random(1)
    process = psutil.Process(sample_server.process.pid)
    failures: list[bytes] = []
    without_message = memory = 0
    connection = http.client.HTTPConnection("127.0.0.1", sample_server.ports["rest"], timeout=60)
    for number in range(MALFORMED):
        if number == MALFORMED // 2:
            memory = process.memory_info().rss
        verb = random_.choice(("POST", "POST", "POST", "GET", "PUT"))
        connection.request(verb, _rest_path(random_), _body(random_))
        response = connection.getresponse()
        text = response.read()
        if response.status >= 500 and response.status != http.client.NOT_IMPLEMENTED:
            failures.append(text)
        if response.status != 200 and response.headers["content-type"] == "application/json":
            without_message += not json.loads(text)["error"]
        if response.will_close:
            connection.close()
    connection.close()
    assert (failures, without_message) == ([], 0)
    assert process.memory_info().rss - memory < 50 * MEBIBYTE
    assert sample_server.predictions.Predict(half("half_plus_two")).outputs["y"].float_val[0] == 2.5


def test_bytes_that_are_not_http_do_no_harm(sample_server: RunningServer) -> None:
    import socket

    random_ = random.Random(2)
    for port in sample_server.ports.values():
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(random_.randbytes(random_.randrange(1, 2000)))
    assert sample_server.http("/v1/models/half_plus_two").status == 200
    assert sample_server.predictions.Predict(half("half_plus_two")).outputs["y"].float_val[0] == 2.5


def test_malformed_messages_end_in_errors(sample_server: RunningServer) -> None:
    random_ = random.Random(3)
    process = psutil.Process(sample_server.process.pid)
    regress = regression_request("half_plus_two", "regress_x_to_y", example(x=1.0))
    mixed = half("odds", signature="mixed")
    mixed.inputs["c"].CopyFrom(tensor([b"abc"], "object"))
    requests = {
        "Predict": [half("half_plus_two").SerializeToString(), mixed.SerializeToString()],
        "Regress": [regress.SerializeToString()],
        "Classify": [regress.SerializeToString()],
        "MultiInference": [b"\x0a\x10" + regress.SerializeToString()],
        "GetModelMetadata": [b"\x0a\x0f\x0a\x0dhalf_plus_two\x12\x0dsignature_def"],
    }
    codes: set[grpc.StatusCode] = set()
    memory = 0
    for number in range(MALFORMED):
        if number == MALFORMED // 2:
            memory = process.memory_info().rss
        method = random_.choice(list(requests))
        data = random_.choice(requests[method])
        for _ in range(random_.randrange(1, 4)):
            data = _mutated(random_, data)
        call = sample_server.channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
        codes.add(call.future(data, timeout=60).code())
    assert not codes & {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert process.memory_info().rss - memory < 50 * MEBIBYTE
    assert "unexpected error" not in sample_server.log()
    assert sample_server.predictions.Predict(half("half_plus_two")).outputs["y"].float_val[0] == 2.5


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, pytest.param(60.0, marks=pytest.mark.long)])
def test_versions_change_under_load_without_a_failed_call(
    start_server: StartServer, sample_models: Path, tmp_path: Path, seconds: float
) -> None:
    sources = (
        sample_models / "half_plus_two" / "00000123",
        sample_models / "half_plus_three" / "00000124",
    )
    model = tmp_path / "model"
    model.mkdir()
    add_version(sources[0], model, 1)
    server = start_server("--model_name=m", f"--model_base_path={model}")
    process = psutil.Process(server.process.pid)
    failures: list[str] = []
    answers: list[float] = []
    stop = threading.Event()

    def call() -> None:
        request = half("m", 2.0)
        while not stop.is_set():
            try:
                response = server.predictions.Predict(request, timeout=30)
                answers.append(response.outputs["y"].float_val[0])
            except grpc.RpcError as error:
                failures.append(f"{error.code()} {error.details()}")

    callers = [threading.Thread(target=call) for _ in range(32)]
    for caller in callers:
        caller.start()
    number, memory = 1, 0
    pause = min(5.0, seconds / 5)
    end = time.monotonic() + seconds
    while time.monotonic() < end or number < 4:
        time.sleep(pause)
        number += 1
        add_version(sources[number % 2 == 0], model, number)
        server.wait_for_states("m", {number: "AVAILABLE", number - 1: "END"})
        shutil.rmtree(model / str(number - 1))
        memory = memory or process.memory_info().rss
    stop.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert set(answers) == {3.0, 4.0}
    assert process.memory_info().rss - memory < 100 * MEBIBYTE
    print(f"{len(answers)} calls, {number} versions, {memory // MEBIBYTE} MiB at first")
