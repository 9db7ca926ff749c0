"""Predict, Classify, Regress, MultiInference and metadata over gRPC."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.tf.messages import (
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    tensor_pb2,
    types_pb2,
)
from tests.integration.model_server.calls import (
    array,
    classification_request,
    example,
    half,
    predict_request,
    refusal,
    regression_request,
    tensor,
)
from tests.integration.model_server.conftest import RunningServer

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.mark.parametrize("model", ["half_plus_two", "half_plus_two_2"])
def test_predict_answers_and_says_who_answered(sample_server: RunningServer, model: str) -> None:
    response = sample_server.predictions.Predict(half(model, 3.0))
    assert list(response.outputs["y"].float_val) == [3.5]
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [1, 1]
    assert response.model_spec.name == model
    assert response.model_spec.version.value == 123
    assert response.model_spec.signature_name == "serving_default"


def test_a_feed_of_another_rank_is_the_graphs_own_affair(sample_server: RunningServer) -> None:
    request = predict_request("half_plus_two", {"x": tensor([1.0, 2.0])})
    assert list(sample_server.predictions.Predict(request).outputs["y"].float_val) == [2.5, 3.0]


def test_a_named_signature_and_an_output_filter(sample_server: RunningServer) -> None:
    both = sample_server.predictions.Predict(half("half_plus_two", 2.0, signature="two_outputs"))
    assert {alias: both.outputs[alias].float_val[0] for alias in both.outputs} == {
        "y": 3.0,
        "y2": 4.0,
    }
    one = sample_server.predictions.Predict(
        half("half_plus_two", signature="two_outputs", outputs=["y2"])
    )
    assert list(one.outputs) == ["y2"]


def test_assets_are_found(sample_server: RunningServer) -> None:
    response = sample_server.predictions.Predict(half("half_plus_two", signature="with_asset"))
    assert list(response.outputs["asset"].string_val) == [b"asset-file-contents"]


def test_initialisation_ran(sample_server: RunningServer) -> None:
    words = tensor([b"two", b"zero", b"nine"], "object")
    response = sample_server.predictions.Predict(predict_request("lookup", {"words": words}))
    assert list(response.outputs["numbers"].int64_val) == [2, 0, -1]


def test_signatures_without_inputs_keep_state(sample_server: RunningServer) -> None:
    def call(signature: str, **inputs: Any) -> float:
        request = predict_request("counter", inputs, signature=signature)
        return float(sample_server.predictions.Predict(request).outputs["output"].float_val[0])

    call("reset_counter")
    assert call("incr_counter") == 1.0
    assert call("incr_counter_by", delta=tensor(2.5)) == 3.5
    assert call("get_counter") == 3.5


def test_what_a_graph_keeps_of_a_feed_outlives_the_call(sample_server: RunningServer) -> None:
    recall = predict_request("odds", {}, signature="recall")
    for letter in (b"a", b"b", b"c"):
        text, numbers = letter * 100_000, [float(letter[0])] * 5_000
        inputs = {"text": tensor(text, "object"), "numbers": tensor(numbers)}
        sample_server.predictions.Predict(predict_request("odds", inputs, signature="remember"))
        for _ in range(3):
            response = sample_server.predictions.Predict(recall)
            assert list(response.outputs["text"].string_val) == [text]
            assert list(response.outputs["numbers"].float_val) == numbers


def test_every_type_goes_in_and_comes_out_in_its_field(sample_server: RunningServer) -> None:
    sent = {
        "float32": tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.5]),
        "float64": tensor_pb2.TensorProto(dtype=types_pb2.DT_DOUBLE, double_val=[2.5]),
        "float16": tensor_pb2.TensorProto(dtype=types_pb2.DT_HALF, half_val=[15872]),
        "bfloat16": tensor_pb2.TensorProto(dtype=types_pb2.DT_BFLOAT16, half_val=[16320]),
        "int8": tensor_pb2.TensorProto(dtype=types_pb2.DT_INT8, int_val=[-8]),
        "int16": tensor_pb2.TensorProto(dtype=types_pb2.DT_INT16, int_val=[-16]),
        "int32": tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, int_val=[-32]),
        "int64": tensor_pb2.TensorProto(dtype=types_pb2.DT_INT64, int64_val=[-(2**63)]),
        "uint8": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT8, int_val=[255]),
        "uint16": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT16, int_val=[65535]),
        "uint32": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT32, uint32_val=[2**32 - 1]),
        "uint64": tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT64, uint64_val=[2**64 - 1]),
        "bool": tensor_pb2.TensorProto(dtype=types_pb2.DT_BOOL, bool_val=[True]),
        "string": tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"\xff\x00"]),
        "complex64": tensor_pb2.TensorProto(dtype=types_pb2.DT_COMPLEX64, scomplex_val=[1.0, -2.0]),
        "complex128": tensor_pb2.TensorProto(
            dtype=types_pb2.DT_COMPLEX128, dcomplex_val=[3.0, -4.0]
        ),
    }
    request = predict_request(
        "odds", {f"in_{name}": value for name, value in sent.items()}, signature="echo"
    )
    response = sample_server.predictions.Predict(request)
    for name, value in sent.items():
        value.tensor_shape.SetInParent()
        assert response.outputs[f"out_{name}"] == value, name


def test_several_inputs_of_several_types_as_content(sample_server: RunningServer) -> None:
    a = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT,
        tensor_shape={"dim": [{"size": 2}, {"size": 2}]},
        tensor_content=np.array([[1, 2], [3, 4]], np.float32).tobytes(),
    )
    inputs = {"a": a, "b": tensor([1, 2], "int64"), "c": tensor([b"p", b"q"], "object")}
    response = sample_server.predictions.Predict(predict_request("odds", inputs, signature="mixed"))
    assert list(response.outputs["sum"].float_val) == [4.0, 9.0]
    assert list(response.outputs["joined_bytes"].string_val) == [b"p-1", b"q-2"]
    assert list(response.outputs["flags"].bool_val) == [False, True]


def test_messages_far_above_four_megabytes(sample_server: RunningServer) -> None:
    values = np.arange(5_000_000, dtype=np.float32)
    response = sample_server.predictions.Predict(
        predict_request("odds", {"x": tensor(values)}, signature="batch"), timeout=60
    )
    np.testing.assert_array_equal(array(response, "x"), values * 2)


def test_classify_and_regress(sample_server: RunningServer) -> None:
    classified = sample_server.predictions.Classify(
        classification_request("half_plus_two", "classify_x_to_y", example(x=2.0), example(x=4.0))
    )
    rows = classified.result.classifications
    assert [[item.score for item in row.classes] for row in rows] == [[3.0], [4.0]]
    assert rows[1].classes[0].label.startswith("4")
    assert classified.model_spec.signature_name == "classify_x_to_y"
    regressed = sample_server.predictions.Regress(
        regression_request("half_plus_two", "regress_x_to_y", example(x=2.0), example(x=6.0))
    )
    assert [item.value for item in regressed.result.regressions] == [3.0, 5.0]
    assert regressed.model_spec.version.value == 123


def test_the_context_is_part_of_every_example(sample_server: RunningServer) -> None:
    request = regression_request("half_plus_two", "regress_x_to_y")
    request.input.example_list_with_context.context.CopyFrom(example(x=8.0))
    request.input.example_list_with_context.examples.extend([example(), example()])
    response = sample_server.predictions.Regress(request)
    assert [item.value for item in response.result.regressions] == [6.0, 6.0]


def _tasks(*tasks: tuple[str, str, str], x: float = 2.0) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    request.input.example_list.examples.append(example(x=x))
    return request


def test_multi_inference(sample_server: RunningServer) -> None:
    response = sample_server.predictions.MultiInference(
        _tasks(
            ("half_plus_two", "regress_x_to_y", REGRESS),
            ("half_plus_two", "classify_x_to_y", CLASSIFY),
        )
    )
    first, second = response.results
    assert first.regression_result.regressions[0].value == 3.0
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    assert [result.model_spec.signature_name for result in response.results] == [
        "regress_x_to_y",
        "classify_x_to_y",
    ]


def test_multi_inference_feeds_the_same_examples_to_signatures_with_inputs_of_their_own(
    sample_server: RunningServer,
) -> None:
    """As those of TensorFlow 2 have."""
    request = _tasks(("odds", "regress", REGRESS), ("odds", "classify", CLASSIFY))
    request.input.example_list.examples.append(example(x=5.0))
    first, second = sample_server.predictions.MultiInference(request).results
    assert [item.value for item in first.regression_result.regressions] == [3.0, 6.0]
    assert [item.classes[0].score for item in second.classification_result.classifications] == [
        4.0,
        10.0,
    ]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            _tasks(("odds", "regress", REGRESS), ("odds", "missing", CLASSIFY)),
            (
                "INVALID_ARGUMENT",
                "Requested signature not found in model graph: missing",
            ),
        ),
        (_tasks(), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
        (
            _tasks(("half_plus_two", "regress_x_to_y", "tensorflow/serving/predict")),
            (
                "UNIMPLEMENTED",
                "Unsupported signature method_name: tensorflow/serving/predict",
            ),
        ),
        (
            _tasks(
                ("half_plus_two", "regress_x_to_y", REGRESS), ("odds", "regress_x_to_y", REGRESS)
            ),
            (
                "INVALID_ARGUMENT",
                "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
            ),
        ),
        (
            _tasks(*[("half_plus_two", "regress_x_to_y", REGRESS)] * 2),
            ("INVALID_ARGUMENT", "Duplicate evaluation of signature: regress_x_to_y"),
        ),
    ],
)
def test_multi_inference_refuses(
    sample_server: RunningServer, request_: Any, expected: tuple[str, str]
) -> None:
    assert refusal(sample_server.predictions.MultiInference, request_) == expected


def test_metadata_is_what_the_model_stores(sample_server: RunningServer) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "half_plus_two_2"
    response = sample_server.predictions.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "__saved_model_init_op"}
    default = signatures.signature_def["serving_default"]
    assert default.inputs["x"].name == "serving_default_x:0"
    assert default.method_name == "tensorflow/serving/predict"
    assert response.model_spec.version.value == 123


def test_metadata_refuses(sample_server: RunningServer) -> None:
    call = sample_server.predictions.GetModelMetadata
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    assert refusal(call, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "half_plus_two"
    assert refusal(call, request)[0] == "INVALID_ARGUMENT"
    request.metadata_field.append("other")
    assert refusal(call, request) == (
        "INVALID_ARGUMENT",
        "Metadata field other is not supported",
    )


PREDICT_REFUSALS = {
    "no spec": (
        predict_pb2.PredictRequest(),
        ("INVALID_ARGUMENT", "Missing ModelSpec"),
    ),
    "no name": (half(""), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
    "no model": (
        half("missing"),
        ("NOT_FOUND", "Servable not found for request: Latest(missing)"),
    ),
    "no version": (
        half("half_plus_two", version=9),
        ("NOT_FOUND", "Servable not found for request: Specific(half_plus_two, 9)"),
    ),
    "no label": (
        half("half_plus_two", label="stable"),
        ("INVALID_ARGUMENT", "Unrecognized servable version label: stable"),
    ),
    "no signature": (
        half("half_plus_two", signature="nope"),
        ("FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
    ),
    "no input": (
        predict_request("half_plus_two", {}),
        (
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). "
            "Sent extra: {}. Missing but required: {x}.",
        ),
    ),
    "extra input": (
        predict_request("half_plus_two", {"x": tensor([[1.0]]), "z": tensor([[1.0]])}),
        (
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
            "Sent extra: {z}. Missing but required: {}.",
        ),
    ),
    "unreadable tensor": (
        predict_request(
            "half_plus_two",
            {"x": tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=b"abc")},
        ),
        ("INVALID_ARGUMENT", "tensor parsing error: x"),
    ),
    "duplicate output": (
        half("half_plus_two", outputs=["y", "y"]),
        ("INVALID_ARGUMENT", "duplicate output tensor alias: y"),
    ),
    "unknown output": (
        half("half_plus_two", outputs=["z"]),
        (
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
    ),
}


@pytest.mark.parametrize("case", PREDICT_REFUSALS)
def test_predict_refuses(sample_server: RunningServer, case: str) -> None:
    request, expected = PREDICT_REFUSALS[case]
    assert refusal(sample_server.predictions.Predict, request) == expected


def test_a_misnamed_input_of_the_right_number(sample_server: RunningServer) -> None:
    code, message = refusal(
        sample_server.predictions.Predict, predict_request("half_plus_two", {"w": tensor([[1.0]])})
    )
    assert code == "INVALID_ARGUMENT"
    assert "Signature input alias: x" in message


@pytest.mark.parametrize("model", ["half_plus_two", "half_plus_two_2"])
def test_a_wrong_type_is_tensorflows_own_refusal(sample_server: RunningServer, model: str) -> None:
    code, message = refusal(
        sample_server.predictions.Predict, predict_request(model, {"x": tensor([[1]], "int32")})
    )
    assert code == "INVALID_ARGUMENT"
    assert "float" in message
    assert "int32" in message


def test_a_failing_computation_is_an_error_of_at_most_1024_characters(
    sample_server: RunningServer,
) -> None:
    request = predict_request("odds", {"text": tensor([b"n" * 3000], "object")}, signature="number")
    code, message = refusal(sample_server.predictions.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("StringToNumberOp could not correctly convert string: nnn")
    assert len(message) == 1024


def test_examples_refused(sample_server: RunningServer) -> None:
    empty = classification_request("half_plus_two", "classify_x_to_y")
    assert refusal(sample_server.predictions.Classify, empty) == (
        "INVALID_ARGUMENT",
        "Input is empty.",
    )
    unknown = regression_request("half_plus_two", "nope", example(x=1.0))
    assert refusal(sample_server.predictions.Regress, unknown) == (
        "INVALID_ARGUMENT",
        "No signature was found with the name: nope",
    )
    unfit = classification_request("half_plus_two", "regress_x_to_y", example(x=1.0))
    code, message = refusal(sample_server.predictions.Classify, unfit)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("Expected classification signature outputs")


def test_bytes_that_are_no_message_are_refused(sample_server: RunningServer) -> None:
    call = sample_server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert refusal(call, b"\xff\xff\xff\xff")[0] == "INTERNAL"


def test_a_deadline_ends_a_slow_call(sample_server: RunningServer) -> None:
    request = predict_request("odds", {"steps": tensor([3000], "int32")}, signature="slow")
    with pytest.raises(grpc.RpcError) as caught:
        sample_server.predictions.Predict(request, timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    sample_server.predictions.Predict(half("half_plus_two"), timeout=30)


def test_health_and_reflection(sample_server: RunningServer) -> None:
    health = health_pb2_grpc.HealthStub(sample_server.channel)
    for service in (
        *("", "PredictionService", "ModelService"),
        *("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"),
    ):
        response = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert response.status == health_pb2.HealthCheckResponse.SERVING
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    services = ProtoReflectionDescriptorDatabase(sample_server.channel).get_services()
    assert "tensorflow.serving.PredictionService" in services


@pytest.mark.parametrize(
    "method",
    [
        "tensorflow.serving.SessionService/SessionRun",
        "tensorflow.ProfilerService/Profile",
        "tensorflow.serving.PredictionService/NoSuchMethod",
    ],
)
def test_unsupported_calls_are_unimplemented(sample_server: RunningServer, method: str) -> None:
    code, message = refusal(sample_server.channel.unary_unary(f"/{method}"), b"")
    assert code == "UNIMPLEMENTED"
    assert message


def test_streamed_predictions_are_unimplemented(sample_server: RunningServer) -> None:
    call = sample_server.channel.unary_stream(
        "/tensorflow.serving.PredictionService/PredictStreamed"
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(call(b"", timeout=30))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Use Predict." in caught.value.details()
