"""OpenVINO beside TensorFlow: the same answers, and never a reason to fail."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.model_server import openvino_runtime
from serving.model_server.accelerated_session import (
    AcceleratedSession,
    NotAccelerated,
    accelerate,
    check_agreement,
)
from serving.model_server.graph_cut import find_cut
from serving.model_server.warm_up import warm_up_logs
from serving.models.repository import ModelRepository
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import EMBEDDING_NODE, WARM_UP_FILE
from serving.tf.session import Session
from serving.tf.tensors import Array, Tensor
from serving.tf.tfrecord import records
from tests.integration.model_server.calls import array, predict_request
from tests.integration.model_server.conftest import ROOT, RunningServer, StartServer, launch
from tests.support.tiny_model import install_tiny

TIMEOUT_SECONDS = 60.0


def need_openvino() -> None:
    """Skip where OpenVINO is missing; it is not imported here, where nothing keeps it quiet."""
    if not openvino_runtime.is_installed():
        pytest.skip("OpenVINO is not installed.")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model's only version."""
    return install_tiny(ModelRepository(tmp_path_factory.mktemp("models"))).path


@pytest.fixture
def session(tiny: Path) -> Iterator[Session]:
    opened = Session(tiny, ["serve"], 1, 1)
    yield opened
    opened.close()


@pytest.fixture
def faster(session: Session, tiny: Path) -> AcceleratedSession:
    need_openvino()
    return accelerate(session, tiny, ["serve"], 1)


def picture(tiny: Path) -> bytes:
    """The JPEG file in the model's own warm-up records."""
    log = next(iter(warm_up_logs(tiny)))
    return bytes(log.predict_log.request.inputs["images"].string_val[0])


def pictures(images: Sequence[bytes]) -> list[Tensor]:
    values = np.empty(len(images), object)
    values[:] = images
    return [Tensor(types_pb2.DT_STRING, values)]


def computed(session: Session | AcceleratedSession, signature: str, images: Any) -> list[Tensor]:
    proto = session.signatures[signature]
    computation = session.computation(
        [proto.inputs["images"].name], [info.name for info in proto.outputs.values()]
    )
    return computation(pictures(images), None)


@pytest.mark.parametrize("signature", ["predict_images", "embed"])
def test_both_answer_alike_whatever_the_number_of_images(
    session: Session, faster: AcceleratedSession, tiny: Path, signature: str
) -> None:
    image = picture(tiny)
    for count in (1, 3, 4, 9):
        expected = computed(session, signature, [image] * count)
        actual = computed(faster, signature, [image] * count)
        assert [len(tensor.array) for tensor in actual] == [count] * len(expected)
        check_agreement(expected, actual)
    assert faster.failure is None


def test_photos_get_the_same_answers(
    session: Session, faster: AcceleratedSession, shared_data: Path
) -> None:
    with (shared_data / "photos" / "labels.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)]
    photos = [(shared_data / "photos" / name).read_bytes() for name in names]
    expected = computed(session, "predict_images", photos)
    actual = computed(faster, "predict_images", photos)
    check_agreement(expected, actual)


def test_once_openvino_fails_tensorflow_takes_over(
    session: Session, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = find_cut(graph_of(tiny), [EMBEDDING_NODE])
    assert cut is not None
    failing = AcceleratedSession(session, cut, failing_arithmetic)
    image = picture(tiny)
    for _ in range(2):
        actual = computed(failing, "predict_images", [image])
        check_agreement(computed(session, "predict_images", [image]), actual)
    assert isinstance(failing.failure, MemoryError)
    assert caplog.text.count("OpenVINO failed") == 1


def failing_arithmetic(_pixels: Array) -> Array:
    raise MemoryError


def strings(*values: bytes) -> Tensor:
    return Tensor(types_pb2.DT_STRING, np.array([values], object))


def floats(*values: float) -> Tensor:
    return Tensor(types_pb2.DT_FLOAT, np.array([values], np.float32))


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        (floats(0.5, 0.4), floats(0.509, 0.391), True),
        (floats(0.5, 0.4), floats(0.52, 0.4), False),
        (floats(50, 4), floats(50.4, 4), True),
        (floats(50, 4), floats(50.6, 4), False),
        (floats(0.5), floats(float("nan")), False),
        (floats(0.5), floats(0.5, 0.5), False),
        (strings(b"a", b"b", b"c"), strings(b"a", b"c", b"b"), True),
        (strings(b"a", b"b", b"c"), strings(b"b", b"a", b"c"), False),
        (floats(), floats(), True),
    ],
)
def test_which_answers_agree(expected: Tensor, actual: Tensor, agree: bool) -> None:
    if agree:
        check_agreement([expected], [actual])
    else:
        with pytest.raises(NotAccelerated):
            check_agreement([expected], [actual])


def graph_of(tiny: Path) -> Any:
    saved = saved_model_pb2.SavedModel.FromString((tiny / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def test_the_arithmetic_of_our_versions_is_found_and_is_all_numbers(tiny: Path) -> None:
    cut = find_cut(graph_of(tiny), ["servery/classes:0", "servery/scores:0", EMBEDDING_NODE])
    assert cut is not None
    assert cut.row == (32, 32, 3)
    ops = {node.op for node in cut.graph.node}
    assert "Conv2D" in ops
    assert not ops & {"StatelessWhile", "DecodeJpeg", "TensorListStack", "GatherV2"}
    assert [node.name for node in cut.graph.node if node.op == "Placeholder"] == [cut.pixels]


def test_graphs_of_another_form_are_left_alone(tiny: Path) -> None:
    graph = graph_of(tiny)
    assert find_cut(graph, ["images"]) is None
    for node in graph.node:
        if node.op == "TensorListStack":
            node.op = "Other"
    assert find_cut(graph, ["servery/scores:0"]) is None
    graph.node.remove(next(node for node in graph.node if node.name == EMBEDDING_NODE))
    assert find_cut(graph, ["servery/scores:0"]) is None


def classify(server: RunningServer, tiny: Path) -> Any:
    request = predict_request("tiny", {}, signature="predict_images")
    actual = next(iter(warm_up_logs(tiny))).predict_log.request.inputs["images"]
    request.inputs["images"].CopyFrom(actual)
    return server.predictions.Predict(request, timeout=TIMEOUT_SECONDS)


def test_a_server_moves_to_openvino_while_it_serves(start_server: StartServer, tiny: Path) -> None:
    need_openvino()
    flags = ("--model_name=tiny", f"--model_base_path={tiny.parent}")
    plain = classify(start_server(*flags, "--runtime=tensorflow"), tiny)
    server = start_server(*flags, "--runtime=openvino")
    for _ in range(2):
        answer = classify(server, tiny)
        assert np.allclose(array(answer, "scores"), array(plain, "scores"), atol=0.001)
        assert array(answer, "classes")[0, 0] == array(plain, "classes")[0, 0]
        server.wait_for_log("tiny version 1 runs on OpenVINO")


def test_without_warm_up_records_a_version_stays_on_tensorflow(
    start_server: StartServer, tiny: Path, tmp_path: Path
) -> None:
    need_openvino()
    version = tmp_path / "model" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").symlink_to(tiny / "saved_model.pb")
    server = start_server(
        "--model_name=tiny", f"--model_base_path={version.parent}", "--runtime=openvino"
    )
    server.wait_for_log("on TensorFlow alone: It has no warm-up records to compare them by.")
    assert classify(server, tiny).outputs["scores"].float_val


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_a_broken_installation_of_openvino_is_no_reason_to_fail(
    server_processes: list[subprocess.Popen[str]],
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
) -> None:
    package = tmp_path / "packages" / "openvino"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libopenvino.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    server = launch(
        server_processes,
        tmp_path / "server",
        "--model_name=tiny",
        f"--model_base_path={tiny.parent}",
        f"--runtime={runtime}",
    ).wait()
    server.wait_for_log("OpenVINO did not take it: libopenvino.so.1 is missing")
    assert classify(server, tiny).outputs["scores"].float_val
    assert server.stop() == 0


def test_an_unknown_runtime_is_refused(start_server: StartServer, tiny: Path) -> None:
    server = start_server(f"--model_base_path={tiny.parent}", "--runtime=abacus", wait=False)
    assert server.process.wait(TIMEOUT_SECONDS) == 1
    assert "--runtime must be one of auto, tensorflow, openvino, not abacus." in server.log()


def output_of(program: str, home: Path) -> str:
    """What a program prints in a process of its own; skips where OpenVINO is not installed."""
    need_openvino()
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    ).stdout


def test_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from serving.model_server import openvino_runtime\n"
        "openvino_runtime._core()\n"
        "print([name for name in sys.modules if 'telemetry' in name])\n"
    )
    assert output_of(program, tmp_path) == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_with_a_memory_limit_openvino_is_used_only_on_request(tmp_path: Path) -> None:
    program = (
        "import resource\n"
        "from serving.model_server.flags import Flags\n"
        "from serving.model_server.server import _may_accelerate\n"
        "print(_may_accelerate(Flags()))\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 33, 1 << 33))\n"
        "print(_may_accelerate(Flags()), _may_accelerate(Flags(runtime='openvino')))\n"
    )
    assert output_of(program, tmp_path) == "True\nFalse True\n"


def test_the_records_of_a_version_have_sound_checksums(tiny: Path) -> None:
    assert len(list(records((tiny / WARM_UP_FILE).read_bytes()))) == 2
