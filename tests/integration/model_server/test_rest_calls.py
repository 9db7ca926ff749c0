"""The REST API."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import math
from typing import Any

import pytest

from tests.integration.model_server.conftest import RunningServer


@pytest.mark.parametrize("model", ["half_plus_two", "half_plus_two_2"])
def test_predictions_are_given_by_row_or_by_column(
    sample_server: RunningServer, model: str
) -> None:
    rows = sample_server.http(f"/v1/models/{model}:predict", {"instances": [[1.0], [2], [5.0]]})
    assert rows.status == 200
    assert rows.content_type == "application/json"
    assert rows.json == {"predictions": [[2.5], [3.0], [4.5]]}
    columns = sample_server.http(f"/v1/models/{model}:predict", {"inputs": [[1.0]]})
    assert columns.json == {"outputs": [[2.5]]}
    named = sample_server.http(f"/v1/models/{model}:predict", {"inputs": {"x": [[1.0]]}})
    assert named.json == {"outputs": [[2.5]]}


def test_a_list_of_values_for_a_column_of_rows(sample_server: RunningServer) -> None:
    reply = sample_server.http("/v1/models/half_plus_two:predict", {"instances": [1.0, 2.0, 5.0]})
    assert reply.json == {"predictions": [2.5, 3.0, 4.5]}


def test_several_outputs_keep_their_names(sample_server: RunningServer) -> None:
    body: dict[str, Any] = {
        "signature_name": "two_outputs",
        "instances": [{"x": [1.0]}, {"x": [2.0]}],
    }
    reply = sample_server.http("/v1/models/half_plus_two:predict", body)
    assert reply.json == {"predictions": [{"y": [2.5], "y2": [3.5]}, {"y": [3.0], "y2": [4.0]}]}
    body = {"signature_name": "two_outputs", "inputs": [[1.0]]}
    reply = sample_server.http("/v1/models/half_plus_two:predict", body)
    assert reply.json == {"outputs": {"y": [[2.5]], "y2": [[3.5]]}}


def test_bytes_go_in_and_out_as_base64(sample_server: RunningServer) -> None:
    coded = base64.b64encode(b"\xff\x00").decode()
    body = {
        "signature_name": "mixed",
        "instances": [
            {"a": [1, 2.5], "b": 1, "c": {"b64": coded}},
            {"a": [0, 0], "b": 2, "c": "text"},
        ],
    }
    reply = sample_server.http("/v1/models/odds:predict", body)
    assert reply.json == {
        "predictions": [
            {
                "flags": False,
                "joined_bytes": {"b64": base64.b64encode(b"\xff\x00-1").decode()},
                "sum": 4.5,
            },
            {
                "flags": True,
                "joined_bytes": {"b64": base64.b64encode(b"text-2").decode()},
                "sum": 2.0,
            },
        ]
    }


def test_every_number_type_survives(sample_server: RunningServer) -> None:
    sent: dict[str, Any] = {
        "in_float32": 0.1, "in_float64": 0.1, "in_float16": 1.5, "in_bfloat16": 1.5,
        "in_int8": -8, "in_int16": -16, "in_int32": -32, "in_int64": -(2**63),
        "in_uint8": 255, "in_uint16": 65535, "in_uint32": 2**32 - 1, "in_uint64": 2**64 - 1,
        "in_bool": True, "in_string": "x", "in_complex64": 1, "in_complex128": 1,
    }  # fmt: skip
    reply = sample_server.http(
        "/v1/models/odds:predict", {"signature_name": "echo", "inputs": sent}
    )
    assert reply.status == 501
    assert "complex" in reply.json["error"]


def test_floats_are_short_and_special_values_bare(sample_server: RunningServer) -> None:
    body = '{"signature_name": "batch", "inputs": [0.05, NaN, Infinity, -Infinity, 1e10, 1]}'
    reply = sample_server.http("/v1/models/odds:predict", body)
    text = reply.body.decode()
    assert "0.1, NaN, Infinity, -Infinity, 2e+10, 2.0" in text
    values = reply.json["outputs"]["x"]
    assert math.isnan(values[1])


def test_the_path_chooses_the_version(sample_server: RunningServer) -> None:
    body = {"instances": [[1.0]]}
    assert sample_server.http("/v1/models/half_plus_two/versions/123:predict", body).status == 200
    missing = sample_server.http("/v1/models/half_plus_two/versions/9:predict", body)
    assert missing.status == 404
    assert missing.json == {"error": "Servable not found for request: Specific(half_plus_two, 9)"}
    for digits in (str(2**63), "9" * 20, "9" * 5000):
        too_large = sample_server.http(f"/v1/models/half_plus_two/versions/{digits}:predict", body)
        assert too_large.status == 400
        assert too_large.json["error"].startswith("Failed to convert version: 9")
    padded = sample_server.http(f"/v1/models/half_plus_two/versions/{'0' * 5000}123")
    assert padded.status == 200
    label = sample_server.http("/v1/models/half_plus_two/labels/stable:predict", body)
    assert label.status == 400
    assert label.json == {"error": "Unrecognized servable version label: stable"}


def test_classify_and_regress(sample_server: RunningServer) -> None:
    body = {"signature_name": "classify_scores", "examples": [{"x": 1.0}, {"x": [2.0]}]}
    reply = sample_server.http("/v1/models/half_plus_two:classify", body)
    assert reply.json == {"results": [[["", 2.5]], [["", 3.0]]]}
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": 2.0}]}
    reply = sample_server.http("/v1/models/half_plus_two:regress", body)
    assert reply.json == {"results": [2.5, 3.0]}
    shared = {"signature_name": "regress_x_to_y", "context": {"x": 4.0}, "examples": [{}, {}]}
    assert sample_server.http("/v1/models/half_plus_two:regress", shared).json == {
        "results": [4.0, 4.0]
    }


def test_a_whole_number_in_an_example_is_an_int64_feature(sample_server: RunningServer) -> None:
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2}]}
    reply = sample_server.http("/v1/models/half_plus_two:regress", body)
    assert reply.status == 400
    assert "int64" in reply.json["error"]


def test_status_and_metadata(sample_server: RunningServer) -> None:
    status = sample_server.http("/v1/models/half_plus_two")
    row = {
        "version": "123",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert status.json == {"model_version_status": [row]}
    assert sample_server.http("/v1/models/half_plus_two/versions/123").json == status.json
    missing = sample_server.http("/v1/models/half_plus_two/versions/9")
    assert (missing.status, missing.json) == (
        404,
        {"error": "Could not find version 9 of model half_plus_two"},
    )
    metadata = sample_server.http("/v1/models/half_plus_two_2/metadata").json
    assert metadata["model_spec"] == {
        "name": "half_plus_two_2",
        "signature_name": "",
        "version": "123",
    }
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "name": "serving_default_x:0",
        "tensor_shape": {
            "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
            "unknown_rank": False,
        },
    }


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/models/half_plus_two:predict"),
        ("POST", "/v1/models/half_plus_two"),
        ("PUT", "/v1/models/half_plus_two:predict"),
        ("DELETE", "/v1/models/half_plus_two"),
        ("GET", "/v1/nothing"),
        ("POST", "/v1/models/half_plus_two:guess"),
    ],
)
def test_malformed_requests(sample_server: RunningServer, verb: str, path: str) -> None:
    body = b"{}" if verb in ("POST", "PUT") else None
    reply = sample_server.http(path, body, verb=verb)
    assert (reply.status, reply.json) == (400, {"error": f"Malformed request: {verb} {path}"})


def test_outside_the_api_nothing_is_json(sample_server: RunningServer) -> None:
    reply = sample_server.http("/elsewhere")
    assert reply.status == 404
    assert reply.content_type != "application/json"


def test_a_model_needs_a_name(sample_server: RunningServer) -> None:
    reply = sample_server.http("/v1/models")
    assert (reply.status, reply.json) == (400, {"error": "Missing model name in request."})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("{", "JSON Parse error: Missing a name for object member. at offset: 1"),
        ("[1]", "JSON Value: [1] Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": 1}', "Excepting 'instances' to be an list/array"),
        ('{"instances": [1], "inputs": [1]}', "expecting only one of 'inputs' or 'instances'"),
        ('{"instances": [[1.0], [1.0, 2.0]]}', "Expecting tensor size: 1 but got: 2"),
        ('{"instances": [["a"]]}', 'JSON Value: "a" Type: String is not of expected type: float'),
        ('{"instances": [[true]]}', "Type: True is not of expected type: float"),
        ('{"instances": [[1e300]]}', "to float without loss of precision."),
        ('{"instances": [{"z": 1}]}', "JSON object: does not have named input: z"),
        ('{"inputs": {"z": 1}}', "Missing named input: x in 'inputs' object."),
        ('{"inputs": [[1.0], 2.0]}', "found at incorrect level: 2 in the JSON DOM"),
        ('{"signature_name": 1}', "'signature_name' key must be a string value."),
        (
            '{"signature_name": "s", "instances": [1]}',
            'Serving signature name: "s" not found in signature def',
        ),
        ("[" * 5000, "JSON Parse error: The document is nested too deeply."),
        (b"\xff\xfe", "JSON Parse error: Invalid encoding in string."),
    ],
)
def test_predict_refuses(sample_server: RunningServer, body: str, message: str) -> None:
    reply = sample_server.http("/v1/models/half_plus_two:predict", body or b"", verb="POST")
    assert reply.status == 400
    assert message in reply.json["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": [1.0, "a"]}]}, "Unexpected element type in feature: x"),
        ({"examples": [{"x": None}]}, "has element with unexpected JSON type: Null"),
        ({"examples": [{"x": 2**63}]}, "has uint64 element. Only int64 is supported."),
        ({"examples": [{"x": 1.0}]}, "Expected one or two"),
    ],
)
def test_classify_refuses(sample_server: RunningServer, body: dict[str, Any], message: str) -> None:
    body = {"signature_name": "two_outputs", **body}
    if message == "Expected one or two":
        body["signature_name"] = "missing"
        message = "No signature was found with the name: missing"
    reply = sample_server.http("/v1/models/half_plus_two:classify", body)
    assert reply.status == 400
    assert message in reply.json["error"]


def test_the_content_type_does_not_matter_and_gzip_is_read(sample_server: RunningServer) -> None:
    body = json.dumps({"instances": [[1.0]]}).encode()
    path = "/v1/models/half_plus_two:predict"
    assert sample_server.http(path, body, headers={"Content-Type": "text/plain"}).status == 200
    zipped = sample_server.http(path, gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert zipped.json == {"predictions": [[2.5]]}
    broken = sample_server.http(path, b"no gzip", headers={"Content-Encoding": "gzip"})
    assert broken.status == 400


def test_bodies_far_above_a_megabyte(sample_server: RunningServer) -> None:
    count = 300_000
    body = {"signature_name": "batch", "inputs": [0.5] * count}
    reply = sample_server.http("/v1/models/odds:predict", body)
    assert reply.json["outputs"]["x"] == [1.0] * count


def test_connections_are_kept(sample_server: RunningServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sample_server.ports["rest"], timeout=30)
    for _ in range(3):
        connection.request("GET", "/v1/models/half_plus_two")
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()


def test_metrics_count_requests_by_model(sample_server: RunningServer) -> None:
    sample_server.http("/v1/models/half_plus_two:predict", {"instances": [[1.0]]})
    sample_server.http("/v1/models/unheard_of:predict", {"instances": [[1.0]]})
    reply = sample_server.http("/monitoring/prometheus/metrics")
    assert reply.status == 200
    assert reply.content_type.startswith("text/plain")
    page = reply.body.decode()
    assert "# TYPE :tensorflow:serving:request_count counter" in page
    assert ':tensorflow:serving:request_count{model_name="half_plus_two",status="OK"} ' in page
    assert ':tensorflow:serving:request_count{model_name="unheard_of",status="NOT_FOUND"} ' in page
    labels = 'model_name="half_plus_two",API="Predict",entrypoint="REST"'
    assert f":tensorflow:serving:request_latency_count{{{labels}}} " in page
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}} ' in page
