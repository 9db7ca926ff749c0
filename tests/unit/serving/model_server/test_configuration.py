"""The configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.model_server.batching import BatchLimits
from serving.model_server.configuration import (
    read_batching,
    read_metrics_path,
    read_models,
    read_ssl,
    single_model,
)
from serving.model_server.versions import All, Latest
from serving.tf.status import Code, ServingError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.config"


def test_models(file: Path) -> None:
    file.write_text(
        """model_config_list {
          config { name: "a" base_path: "/a" model_platform: "tensorflow"
                   version_labels { key: "stable" value: 3 } }
          config { name: "b" base_path: "s3://b" model_type: TENSORFLOW
                   model_version_policy { all {} } }
        }"""
    )
    models = read_models(str(file))
    assert list(models) == ["a", "b"]
    assert (models["a"].policy, models["a"].labels) == (Latest(1), {"stable": 3})
    assert (models["b"].base_path, models["b"].policy) == ("s3://b", All())


def test_an_empty_file_configures_nothing(file: Path) -> None:
    file.write_text("")
    assert read_models(str(file)) == {}


@pytest.mark.parametrize("text", ["model_config_list {", "nonsense: 1", "\x00"])
def test_text_that_does_not_parse(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        read_models(str(file))


def test_a_single_model_needs_a_path() -> None:
    assert single_model("m", "/m")["m"].base_path == "/m"
    with pytest.raises(ServingError, match="--model_base_path"):
        single_model("m", "")


def test_batching(file: Path) -> None:
    file.write_text(
        """max_batch_size { value: 8 } batch_timeout_micros { value: 2000 }
        max_enqueued_batches { value: 3 } num_batch_threads { value: 4 }
        thread_pool_name { value: "pool" } allowed_batch_sizes: 2 allowed_batch_sizes: 8
        pad_variable_length_inputs: true"""
    )
    assert read_batching(str(file)) == BatchLimits(
        max_batch_size=8,
        slots=4,
        max_queued_rows=24,
        overload_code=Code.UNAVAILABLE,
        timeout_seconds=0.002,
        splits_large_requests=False,
        max_request_rows=8,
        allowed_sizes=(2, 8),
        pads_variable_lengths=True,
    )


def test_batching_with_splitting(file: Path) -> None:
    file.write_text(
        """max_batch_size { value: 100 } enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 10 } allowed_batch_sizes: 10"""
    )
    limits = read_batching(str(file))
    assert (limits.max_batch_size, limits.max_request_rows, limits.splits_large_requests) == (
        10,
        100,
        True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "max_batch_size { value: 8 } allowed_batch_sizes: 4",
        "max_batch_size { value: 8 } allowed_batch_sizes: 8 allowed_batch_sizes: 4",
        "max_batch_size { value: 0 }",
        "num_batch_threads { value: 0 }",
        "max_batch_size: 8",
        "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 4 } allowed_batch_sizes: 8",
    ],
)
def test_batching_that_cannot_be(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ServingError) as caught:
        read_batching(str(file))
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { enable: true path: "/m" }', "/m"),
        ('prometheus_config { path: "/m" }', None),
        ("", None),
    ],
)
def test_metrics_path(file: Path, text: str, expected: str | None) -> None:
    file.write_text(text)
    assert read_metrics_path(str(file)) == expected
    assert read_metrics_path("") is None


def test_ssl(file: Path) -> None:
    file.write_text('server_key: "k" server_cert: "c" client_verify: true')
    config = read_ssl(str(file))
    assert (config.server_key, config.server_cert, config.client_verify) == ("k", "c", True)
