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


def test_models_and_their_versions_are_read(file: Path) -> None:
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


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('model_config_list {\n  config { nam: "x" }\n}', '2:15: Message type "tensorflow.serving.'
         'ModelConfig" has no field named "nam".'),
        ("{", "1:1: Expected identifier, got: {"),
        ("model_config_list: 3", '1:20: Expected "{", found "3".'),
        ("model_config_list { config {\n\tname: x } }", "2:15: Expected string, got: x"),
        ('model_config_list { config { name: "x" ', "1:40: Expected identifier, got: "),
        ('model_config_list { config { name: "x } }', "1:42: Unexpected end of string."),
        ('model_config_list { config { name: "x }\n}', "1:40: Multiline strings are not allowed. "
         'Did you miss a "?.'),
        ("model_config_list { config { model_type: FOO } }", "1:46: Unknown enumeration value of "
         '"FOO" for field "model_type".'),
        ('model_config_list { config { name: "a" name: "b" } }', '1:44: Non-repeated field "name" '
         "is specified multiple times."),
        ('model_config_list { config { name: "é" } } }', "1:45: Expected identifier, got: }"),
        ('# é\n  é: "x"', "2:3: Interpreting non ascii codepoint 195."),
        ("custom_model_config { }  model_config_list {}", '1:44: Field "model_config_list" is '
         'specified along with field "custom_model_config", another member of oneof "config".'),
        ("model_config_list { config { model_version_policy { latest { num_versions: -1 } } } }",
         "1:76: Expected integer, got: -"),
    ],
)  # fmt: skip
def test_text_is_refused_in_the_words_of_protobufs_own_parser(
    file: Path, text: str, place: str
) -> None:
    """As `tf.io.decode_proto(message_format="text")`, which has that parser, prints them."""
    file.write_text(text)
    with pytest.raises(ServingError) as caught:
        read_models(str(file))
    assert caught.value.message == (
        f"Invalid protobuf file: '{file}': "
        f"Error parsing text-format tensorflow.serving.ModelServerConfig: {place}"
    )


@pytest.mark.parametrize(
    "kind", ["", 'model_type: TENSORFLOW model_platform: "tensorflow"', "model_type: 7"]
)
def test_a_model_of_no_known_platform_is_named(file: Path, kind: str) -> None:
    file.write_text(
        'model_config_list { config { name: "good" base_path: "/a" model_platform: "tensorflow" }'
        f' config {{ name: "odd one" base_path: "/b" {kind} }} }}'
    )
    with pytest.raises(ServingError, match=r"Model odd one needs ") as caught:
        read_models(str(file))
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_single_model_needs_a_path() -> None:
    assert single_model("m", "/m")["m"].base_path == "/m"
    with pytest.raises(ServingError, match="--model_base_path"):
        single_model("m", "")


def test_batching_parameters_are_read(file: Path) -> None:
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


def test_ssl_files_are_read(file: Path) -> None:
    file.write_text('server_key: "k" server_cert: "c" client_verify: true')
    config = read_ssl(str(file))
    assert (config.server_key, config.server_cert, config.client_verify) == ("k", "c", True)
