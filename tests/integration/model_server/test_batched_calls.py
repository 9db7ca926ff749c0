"""Calls of several callers that are computed together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.model_server.calls import predict_request, refusal, tensor
from tests.integration.model_server.conftest import RunningServer, StartServer


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(24) as pool:
        yield pool


def _images(*values: bytes) -> Any:
    return predict_request(
        "odds", {"images": tensor(list(values), "object")}, signature="predict_images"
    )


def _batch(*values: float) -> Any:
    return predict_request("odds", {"x": tensor(list(values))}, signature="batch")


def test_images_are_batched_without_flags_and_everyone_gets_their_own(
    sample_server: RunningServer, callers: ThreadPoolExecutor
) -> None:
    requests = [_images(str(number).encode()) for number in range(300)]
    responses = list(callers.map(sample_server.predictions.Predict, requests))
    scores = [response.outputs["scores"].float_val[0] for response in responses]
    assert scores == [float(number) for number in range(300)]
    assert max(response.outputs["rows"].int_val[0] for response in responses) > 1


def test_a_bad_image_fails_alone(sample_server: RunningServer, callers: ThreadPoolExecutor) -> None:
    requests = [_images(b"bad" if number % 7 == 0 else b"1") for number in range(70)]

    def call(request: Any) -> str:
        try:
            sample_server.predictions.Predict(request)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    outcomes = list(callers.map(call, requests))
    assert outcomes == ["INVALID_ARGUMENT" if n % 7 == 0 else "OK" for n in range(70)]


def test_a_large_request_of_images_is_answered_whole(sample_server: RunningServer) -> None:
    response = sample_server.predictions.Predict(_images(*(str(n).encode() for n in range(100))))
    assert list(response.outputs["scores"].float_val) == [float(n) for n in range(100)]


def test_other_models_are_not_batched_without_flags(
    sample_server: RunningServer, callers: ThreadPoolExecutor
) -> None:
    responses = list(callers.map(sample_server.predictions.Predict, [_batch(1.0)] * 200))
    assert {response.outputs["rows"].int_val[0] for response in responses} == {1}


@pytest.fixture
def batching_server(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> RunningServer:
    parameters = tmp_path / "batching.config"
    parameters.write_text(
        """max_batch_size { value: 8 } batch_timeout_micros { value: 100000 }
        max_enqueued_batches { value: 1000 } num_batch_threads { value: 2 }
        allowed_batch_sizes: 4 allowed_batch_sizes: 8"""
    )
    return start_server(
        "--model_name=odds",
        f"--model_base_path={sample_models / 'odds'}",
        "--enable_batching",
        f"--batching_parameters_file={parameters}",
    )


def test_batching_as_configured(
    batching_server: RunningServer, callers: ThreadPoolExecutor
) -> None:
    call = batching_server.predictions.Predict
    response = call(_batch(3.0))
    assert list(response.outputs["x"].float_val) == [6.0]
    assert list(response.outputs["rows"].int_val) == [4]
    responses = list(callers.map(call, [_batch(float(n), 0.5) for n in range(60)]))
    assert [list(response.outputs["x"].float_val) for response in responses] == [
        [2.0 * n, 1.0] for n in range(60)
    ]
    assert {response.outputs["rows"].int_val[0] for response in responses} <= {4, 8}
    assert refusal(call, _batch(*[1.0] * 9)) == (
        "INVALID_ARGUMENT",
        "Task size 9 is larger than maximum input batch size 8",
    )


def test_unequal_inputs_cannot_be_batched(batching_server: RunningServer) -> None:
    inputs = {
        "a": tensor([[1.0, 2.0]]),
        "b": tensor([1, 2], "int64"),
        "c": tensor([b"x"], "object"),
    }
    code, message = refusal(
        batching_server.predictions.Predict, predict_request("odds", inputs, signature="mixed")
    )
    assert code == "INVALID_ARGUMENT"
    assert message == "Batching session Run() input tensors must have equal 0th-dimension size"


def test_cancelled_calls_do_not_hold_up_the_others(sample_server: RunningServer) -> None:
    slow = predict_request("odds", {"steps": tensor([500], "int32")}, signature="slow")
    sample_server.connect()
    calls = [sample_server.predictions.Predict.future(slow) for _ in range(200)]
    sample_server.wait_until_accepted()
    for call in calls:
        call.cancel()
    response = sample_server.predictions.Predict(_batch(1.0), timeout=45)
    assert response.outputs["x"].float_val[0] == 2.0


def test_while_the_queue_is_full_requests_are_refused_unread_with_a_time_to_retry(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    parameters = tmp_path / "batching.config"
    parameters.write_text(
        """max_batch_size { value: 1 } num_batch_threads { value: 1 }
        max_enqueued_batches { value: 1 }"""
    )
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    server = start_server(
        "--model_name=odds",
        f"--model_base_path={sample_models / 'odds'}",
        "--enable_batching",
        f"--batching_parameters_file={parameters}",
        f"--monitoring_config_file={monitoring}",
    )
    slow = predict_request("odds", {"steps": tensor([2000], "int32")}, signature="slow")
    server.connect()
    # One is computed, one waits, and the others are refused.
    calls = [server.predictions.Predict.future(slow) for _ in range(4)]
    server.wait_until_accepted()
    with pytest.raises(grpc.RpcError) as caught:
        server.predictions.Predict(_batch(1.0))
    over_rest = server.http(
        "/v1/models/odds:predict", {"signature_name": "batch", "inputs": {"x": [1.0]}}
    )
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "was not read" in caught.value.details()
    assert ("grpc-retry-pushback-ms", "1000") in tuple(caught.value.trailing_metadata())
    assert (over_rest.status, over_rest.headers["retry-after"]) == (503, "1")
    # The others of a server are answered all the same, and so is everybody once there is room.
    assert server.http("/v1/models/odds").status == 200
    assert sum(call.exception() is None for call in calls) == 2
    assert list(server.predictions.Predict(_batch(1.0)).outputs["x"].float_val) == [2.0]
    counts = {
        (model, status): int(count)
        for model, status, count in re.findall(
            r'request_count{model_name="(.*)",status="(.*)"} (.*)',
            server.http("/monitoring/prometheus/metrics").body.decode(),
        )
    }
    # Over gRPC nobody knows which model a call was for that was not read; those that came
    # together were all read, and refused after that.
    unread, read = counts["", "UNAVAILABLE"], counts["odds", "UNAVAILABLE"]
    assert unread >= 1
    assert read >= 1
    assert unread + read == 4
    assert counts["odds", "OK"] == 3
