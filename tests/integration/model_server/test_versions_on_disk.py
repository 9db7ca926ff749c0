"""Versions come and go, and so do models when the configuration changes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format

from serving.tf.messages import (
    get_model_status_pb2,
    model_management_pb2,
    prediction_log_pb2,
)
from serving.tf.tfrecord import crc32c, masked
from tests.integration.model_server.calls import (
    half,
    half_answer,
    refusal,
)
from tests.integration.model_server.conftest import (
    QUICK,
    RunningServer,
    StartServer,
    add_version,
    config_text,
)
from tests.support.waiting import block_until


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.fixture
def three(sample_models: Path) -> Path:
    return sample_models / "half_plus_three" / "00000124"


def test_a_new_version_replaces_the_old_one_without_a_failed_call(
    start_server: StartServer, model: Path, two: Path, three: Path
) -> None:
    add_version(two, model, 1)
    server = start_server("--model_name=m", f"--model_base_path={model}", *QUICK)
    answers: list[float] = []
    failures: list[grpc.RpcError] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                answers.append(half_answer(server))
            except grpc.RpcError as error:
                failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    add_version(three, model, 2)
    server.wait_for_states("m", {2: "AVAILABLE", 1: "END"})
    shutil.rmtree(model / "2")
    server.wait_for_states("m", {1: "AVAILABLE", 2: "END"})
    stop.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert set(answers) == {3.0, 4.0}
    assert list(server.states("m")) == [2, 1]


def test_a_broken_version_harms_nothing(start_server: StartServer, model: Path, two: Path) -> None:
    add_version(two, model, 1)
    server = start_server("--model_name=m", f"--model_base_path={model}", *QUICK)
    broken = model / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"this is no model")
    server.wait_for_states("m", {2: "END", 1: "AVAILABLE"})
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "m"
    row = server.models.GetModelStatus(request).model_version_status[0]
    assert row.version == 2
    assert row.status.error_code != 0
    assert row.status.error_message
    assert half_answer(server) == 3.0


def test_a_half_copied_version_is_tried_again(
    start_server: StartServer, model: Path, two: Path, three: Path
) -> None:
    add_version(two, model, 1)
    server = start_server(
        "--model_name=m",
        f"--model_base_path={model}",
        "--file_system_poll_wait_seconds=1",
        "--load_retry_interval_micros=200000",
        "--max_num_load_retries=300",
    )
    (model / "2").mkdir()
    server.wait_for_states("m", {2: "LOADING", 1: "AVAILABLE"})
    shutil.copytree(three, model / "2", dirs_exist_ok=True)
    server.wait_for_states("m", {2: "AVAILABLE", 1: "END"})
    assert half_answer(server) == 4.0


def test_a_missing_folder_changes_nothing_and_an_empty_one_unloads(
    start_server: StartServer, model: Path, two: Path
) -> None:
    add_version(two, model, 7)
    server = start_server("--model_name=m", f"--model_base_path={model}", *QUICK)
    aside = model.rename(model.with_name("aside"))
    server.wait_for_log("cannot be read")
    assert half_answer(server) == 3.0
    aside.rename(model)
    shutil.rmtree(model / "7")
    server.wait_for_states("m", {7: "END"})
    assert refusal(server.predictions.Predict, half("m")) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(m)",
    )


def test_policies_and_labels_by_configuration_file(
    start_server: StartServer, tmp_path: Path, model: Path, two: Path, three: Path
) -> None:
    for number, source in ((1, two), (2, three), (3, two)):
        add_version(source, model, number)
    config = tmp_path / "models.config"

    def configure(extra: str) -> None:
        aside = tmp_path / "aside.config"
        aside.write_text(config_text({"m": model}, extra=extra))
        aside.replace(config)

    configure("model_version_policy { all {} }")
    server = start_server(
        f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1", *QUICK
    )
    server.wait_for_states("m", {3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"})
    assert [half_answer(server, version=number) for number in (1, 2, 3)] == [3.0, 4.0, 3.0]
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    configure(f"model_version_policy {{ specific {{ versions: 1 versions: 2 }} }} {labels}")
    server.wait_for_states("m", {3: "END", 2: "AVAILABLE", 1: "AVAILABLE"})

    def canary() -> float | None:
        try:
            return half_answer(server, label="canary")
        except grpc.RpcError:
            return None

    assert block_until(canary) == 4.0
    assert half_answer(server, label="stable") == 3.0
    reply = server.http("/v1/models/m/labels/canary:predict", {"instances": [[2.0]]})
    assert reply.json == {"predictions": [[4.0]]}
    configure("model_version_policy { latest { num_versions: 2 } }")
    server.wait_for_states("m", {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"})
    assert refusal(server.predictions.Predict, half("m", label="stable"))[0] == "INVALID_ARGUMENT"


def _reload_request(text: str) -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    return request


def _reload(server: RunningServer, text: str) -> Any:
    return server.models.HandleReloadConfigRequest(_reload_request(text), timeout=60)


def test_a_configuration_that_waits_for_a_model_gives_way_to_the_next(
    start_server: StartServer, tmp_path: Path, sample_models: Path
) -> None:
    config = tmp_path / "models.config"
    good, other = sample_models / "half_plus_two", sample_models / "half_plus_three"
    broken = tmp_path / "broken"
    (broken / "1").mkdir(parents=True)
    (broken / "1" / "saved_model.pb").write_bytes(b"no graph")

    def configure(**models: Path) -> None:
        aside = tmp_path / "aside.config"
        aside.write_text(config_text(models))
        aside.replace(config)

    configure(m=good)
    server = start_server(
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=1000000000",
    )
    # Neither a model that is not there yet nor one that is tried again for a long time.
    configure(m=good, absent=tmp_path / "absent", broken=broken)
    server.wait_for_states("broken", {1: "LOADING"})
    server.wait_for_log("broken version 1 failed to load")
    configure(m=good, other=other)
    server.wait_for_states("other", {124: "AVAILABLE"})
    server.wait_for_states("broken", {1: "END"})
    assert half_answer(server) == 3.0
    assert half_answer(server, "other") == 4.0
    # One that failed is loaded once it is whole, and one that was taken away comes back.
    (broken / "1").rename(tmp_path / "aside")
    shutil.copytree(good / "00000123", broken / "1")
    configure(broken=broken)
    server.wait_for_states("broken", {1: "AVAILABLE"})
    server.wait_for_states("other", {124: "END"})
    with pytest.raises(grpc.RpcError) as failure:
        half_answer(server, "other")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    configure(other=other, broken=broken)
    server.wait_for_states("other", {124: "AVAILABLE"})
    assert half_answer(server, "other") == 4.0


def test_reload_adds_and_removes_models(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    two, three = sample_models / "half_plus_two", sample_models / "half_plus_three"
    server = start_server("--model_name=two", f"--model_base_path={two}", *QUICK)
    response = _reload(server, config_text({"two": two, "three": three}))
    assert response.status.error_code == 0
    assert (half_answer(server, "two"), half_answer(server, "three")) == (3.0, 4.0)
    _reload(server, config_text({"three": three}))
    assert refusal(server.predictions.Predict, half("two"))[0] == "NOT_FOUND"
    assert half_answer(server, "three") == 4.0
    server.wait_for_states("two", {123: "END"})
    _reload(server, config_text({"two": two, "three": three}))
    assert half_answer(server, "two") == 3.0
    assert server.states("two") == {123: "AVAILABLE"}


def test_a_cancelled_reload_is_still_applied(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    two, late = sample_models / "half_plus_two", tmp_path / "late"
    server = start_server("--model_name=two", f"--model_base_path={two}", *QUICK)
    request = _reload_request(config_text({"two": two, "late": late}))
    call = server.models.HandleReloadConfigRequest.future(request)
    server.wait_for_log("Model late:")
    call.cancel()
    late.mkdir()
    add_version(two / "00000123", late, 5)
    server.wait_for_states("late", {5: "AVAILABLE"})
    _reload(server, config_text({"two": two}))


REFUSED_CONFIGURATIONS = {
    "nothing": ("", "ServerModelConfig type not supported by"),
    "a name twice": (
        """model_config_list {
            config { name: "m" base_path: "/x" model_platform: "tensorflow" }
            config { name: "m" base_path: "/y" model_platform: "tensorflow" }
        }""",
        "Illegal to list model m multiple times in config list",
    ),
    "a relative path": (
        """model_config_list {
            config { name: "m" base_path: "x" model_platform: "tensorflow" }
        }""",
        "Expected model m to have an absolute path or URI; got base_path()=x",
    ),
    "no platform": (
        'model_config_list { config { name: "m" base_path: "/x" } }',
        "Illegal setting neither ModelServerConfig::model_type",
    ),
    "another platform": (
        'model_config_list { config { name: "m" base_path: "/x" model_platform: "caffe" } }',
        "Model m requests unsupported platform caffe",
    ),
}


def test_reload_refuses(start_server: StartServer, sample_models: Path) -> None:
    folder = sample_models / "half_plus_two"
    server = start_server("--model_name=two", f"--model_base_path={folder}", *QUICK)
    for text, message in REFUSED_CONFIGURATIONS.values():
        with pytest.raises(grpc.RpcError) as caught:
            _reload(server, text)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details().startswith(message)
        assert half_answer(server, "two") == 3.0


def test_reload_reports_models_that_do_not_load_and_labels_that_cannot_be(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    two = sample_models / "half_plus_two"
    broken = tmp_path / "broken"
    (broken / "1").mkdir(parents=True)
    (broken / "1" / "saved_model.pb").write_bytes(b"no model")
    server = start_server("--model_name=two", f"--model_base_path={two}", *QUICK)
    with pytest.raises(grpc.RpcError) as caught:
        _reload(server, config_text({"two": two, "broken": broken}))
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details().startswith("1 model(s) did not become available: {")
    _reload(server, config_text({"two": two}, extra='version_labels { key: "a" value: 123 }'))
    with pytest.raises(grpc.RpcError) as caught:
        _reload(server, config_text({"two": two}, extra='version_labels { key: "a" value: 5 }'))
    assert (caught.value.code().name, caught.value.details()) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 5 of model two, which is not currently available "
        "for inference",
    )
    assert half_answer(server, "two", label="a") == 3.0


def test_labels_at_the_start_need_the_flag(
    start_server: StartServer, sample_models: Path, tmp_path: Path
) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        config_text(
            {"two": sample_models / "half_plus_two"},
            extra='version_labels { key: "a" value: 123 }',
        )
    )
    refused = start_server(f"--model_config_file={config}", *QUICK, wait=False)
    assert refused.process.wait(60) != 0
    assert "not currently available for inference" in refused.log()
    server = start_server(
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
        *QUICK,
    )
    assert half_answer(server, "two", label="a") == 3.0


def _with_warm_up(two: Path, folder: Path, *logs: Any) -> None:
    add_version(two, folder, 1)
    extra = folder / "1" / "assets.extra"
    extra.mkdir()
    records = b""
    for log in logs:
        data = log.SerializeToString()
        for part in (len(data).to_bytes(8, "little"), data):
            records += part + masked(crc32c(part)).to_bytes(4, "little")
    (extra / "tf_serving_warmup_requests").write_bytes(records)


def test_a_start_without_what_is_missing_or_broken_needs_the_flag(
    start_server: StartServer, tmp_path: Path, two: Path, model: Path
) -> None:
    add_version(two, model, 1)
    broken = tmp_path / "broken"
    (broken / "1").mkdir(parents=True)
    (broken / "1" / "saved_model.pb").write_bytes(b"no graph")
    config = tmp_path / "models.config"
    config.write_text(config_text({"m": model, "broken": broken}))
    flags = (f"--model_config_file={config}", *QUICK)
    refused = start_server(*flags, wait=False)
    assert refused.process.wait(60) == 1
    assert "1 model(s) did not become available: {{{name: broken version: 1}" in refused.log()
    config.write_text(config_text({"m": model, "broken": broken, "none": tmp_path / "none"}))
    server = start_server(*flags, "--start_with_missing_models=true")
    assert "Serving without those that failed: 2 model(s)" in server.log()
    assert half_answer(server) == 3.0
    assert server.states("broken") == {1: "END"}
    shutil.copytree(two, tmp_path / "none" / "1")
    server.wait_for_states("none", {1: "AVAILABLE"})


def test_warm_up_records_run_before_a_version_counts(
    start_server: StartServer, model: Path, two: Path
) -> None:
    good, bad = prediction_log_pb2.PredictionLog(), prediction_log_pb2.PredictionLog()
    good.predict_log.request.CopyFrom(half("m"))
    bad.predict_log.request.CopyFrom(half("m", signature="nope"))
    _with_warm_up(two, model, good, bad)
    failed = start_server("--model_name=m", f"--model_base_path={model}", *QUICK, wait=False)
    assert failed.process.wait(60) != 0
    assert 'Serving signature key "nope" not found.' in failed.log()
    server = start_server(
        "--model_name=m", f"--model_base_path={model}", "--enable_model_warmup=false", *QUICK
    )
    assert half_answer(server) == 3.0


def test_damaged_warm_up_records_fail_the_load(
    start_server: StartServer, model: Path, two: Path
) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(half("m"))
    _with_warm_up(two, model, log)
    records = model / "1" / "assets.extra" / "tf_serving_warmup_requests"
    records.write_bytes(records.read_bytes()[:-1] + b"?")
    failed = start_server("--model_name=m", f"--model_base_path={model}", *QUICK, wait=False)
    assert failed.process.wait(60) != 0
    assert "DATA_LOSS: corrupted record at 12. Please verify your warmup data" in failed.log()
