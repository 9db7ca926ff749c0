"""The server as a program: its ports, its flags, how it starts and stops."""

from __future__ import annotations

import socket
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.integration.model_server.calls import (
    classification_request,
    example,
    half,
    half_answer,
    predict_request,
    refusal,
    tensor,
)
from tests.integration.model_server.conftest import (
    QUICK,
    StartServer,
    add_version,
)


def test_the_ports_open_once_the_first_version_is_there(
    start_server: StartServer, tmp_path: Path, two: Path
) -> None:
    model = tmp_path / "late"
    server = start_server("--model_name=m", f"--model_base_path={model}", *QUICK, wait=False)
    server.wait_for_log("cannot be read")
    assert not (server.folder / "ports.json").exists()
    assert server.process.poll() is None
    model.mkdir()
    add_version(two, model, 1)
    assert half_answer(server.wait()) == 3.0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model_config_file=/nowhere/models.config",),
        ("--model_base_path=relative",),
        ("--model_name=m",),
        ("--model_base_path=/x", "--batching_parameters_file=/x"),
        ("--model_base_path=/x", "--port=many"),
        ("--model_base_path=/x", "--enable_batching", "--batching_parameters_file=/nowhere"),
    ],
)
def test_an_impossible_start_ends_with_a_reason(
    start_server: StartServer, arguments: tuple[str, ...]
) -> None:
    server = start_server(*arguments, wait=False)
    assert server.process.wait(60) != 0
    assert server.log().strip()


def test_an_unknown_flag_is_printed_and_ignored(
    start_server: StartServer, sample_models: Path
) -> None:
    server = start_server(
        f"--model_base_path={sample_models / 'half_plus_two'}", "--no_such_flag=1"
    )
    assert half_answer(server, "default") == 3.0
    assert "unknown argument: --no_such_flag=1" in server.log()


def test_a_taken_port_is_a_sentence(start_server: StartServer, sample_models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = start_server(
            f"--model_base_path={sample_models / 'half_plus_two'}",
            f"--rest_api_port={taken.getsockname()[1]}",
            wait=False,
        )
        assert server.process.wait(60) != 0
    assert "Is another server running there?" in server.log()


def test_stopping_finishes_what_was_accepted(
    start_server: StartServer, sample_models: Path
) -> None:
    server = start_server("--model_name=odds", f"--model_base_path={sample_models / 'odds'}")
    request = predict_request("odds", {"steps": tensor([400], "int32")}, signature="slow")
    server.connect()
    calls = [server.predictions.Predict.future(request, timeout=60) for _ in range(3)]
    server.wait_until_accepted()
    assert server.stop() == 0
    for call in calls:
        assert call.result().outputs["done"].float_val[0] == 400.0
    assert "Traceback" not in server.log()


def test_flags_of_the_answers(start_server: StartServer, sample_models: Path) -> None:
    server = start_server(
        "--model_name=m",
        f"--model_base_path={sample_models / 'half_plus_two'}",
        "--enable_serialization_as_tensor_content",
        "--enable_signature_method_name_check",
        "--use_alts_credentials",
    )
    response = server.predictions.Predict(half("m", 2.0))
    assert response.outputs["y"].tensor_content == np.array([3.0], np.float32).tobytes()
    assert not response.outputs["y"].float_val
    code, message = refusal(
        server.predictions.Classify, classification_request("m", "", example(x=1.0))
    )
    assert code == "INVALID_ARGUMENT"
    assert message == (
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict"
    )
    assert "--use_alts_credentials has no effect here" in server.log()


def test_help_and_version(start_server: StartServer) -> None:
    for flag, expected in (("--help", "--model_base_path="), ("--version", "TensorFlow Library: ")):
        server = start_server(flag, wait=False)
        assert server.process.wait(60) == 0
        assert expected in server.log()


def test_a_unix_socket_answers_too(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "serving.sock"
    start_server(
        f"--model_base_path={sample_models / 'half_plus_two'}", f"--grpc_socket_path={path}"
    )
    from serving.tf.messages import prediction_service_pb2_grpc

    with grpc.insecure_channel(f"unix:{path}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert stub.Predict(half("default", 2.0)).outputs["y"].float_val[0] == 3.0


def test_a_server_whose_ports_file_is_removed_ends(
    start_server: StartServer, sample_models: Path
) -> None:
    server = start_server(f"--model_base_path={sample_models / 'half_plus_two'}")
    (server.folder / "ports.json").unlink()
    assert server.process.wait(30) == 0
    assert "was removed" in server.log()
