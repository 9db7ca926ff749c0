"""OpenVINO beside TensorFlow: the same answers, and never a reason to fail."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.training.head import ServableGraph
from serving.model_server.accelerated_session import (
    AcceleratedSession,
    NotAccelerated,
    accelerate,
)
from serving.model_server.agreement import check_agreement
from serving.model_server.loader import AUTO, Loader
from serving.model_server.openvino_runtime import CompiledNetwork
from serving.model_server.warm_up import warm_up_logs
from serving.models.warm_up import write_warmup_embedding
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import (
    CARD_FILE,
    EMBEDDING_NODE,
    VARIABLES_FOLDER,
    WARM_UP_FILE,
)
from serving.tf.session import Session
from serving.tf.tensors import Array, Tensor
from serving.tf.tfrecord import records
from tests.integration.model_server.calls import array, predict_request
from tests.integration.model_server.conftest import RunningServer, StartServer, launch
from tests.integration.model_server.openvino_env import TIMEOUT_SECONDS, need_openvino
from tests.support.sample_images import painting


@pytest.fixture
def session(tiny: Path) -> Iterator[Session]:
    opened = Session(tiny, ["serve"], 1, 1)
    yield opened
    opened.close()


def never() -> Session:
    raise AssertionError("The whole version was loaded into TensorFlow.")


@pytest.fixture
def faster(tiny: Path) -> Iterator[AcceleratedSession]:
    need_openvino()
    opened = accelerate(tiny, ["serve"], (2, 2), never)
    yield opened
    opened.close()


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
    # By their keys: the map of a message that is read again may be in another order.
    outputs = [proto.outputs[key].name for key in sorted(proto.outputs)]
    computation = session.computation([proto.inputs["images"].name], outputs)
    return computation(pictures(images), None)


def test_what_has_nothing_to_fold_answers_as_if_it_were_looked_through(
    session: Session, tiny: Path, tmp_path: Path
) -> None:
    """A version that may have variables is optimized as TensorFlow does by itself."""
    shutil.copytree(tiny, tmp_path / "1")
    (tmp_path / "1" / VARIABLES_FOLDER).mkdir()
    other = Session(tmp_path / "1", ["serve"], 1, 1)
    try:
        images = [picture(tiny)] * 3
        for ours, theirs in zip(
            computed(session, "predict_images", images),
            computed(other, "predict_images", images),
            strict=True,
        ):
            if ours.dtype == types_pb2.DT_STRING:
                assert ours.array.tolist() == theirs.array.tolist()
            else:
                assert np.allclose(ours.array, theirs.array, rtol=0, atol=1e-5)
    finally:
        other.close()


@pytest.mark.parametrize("signature", ["predict_images", "embed"])
def test_both_answer_alike_whatever_the_number_of_images(
    session: Session, faster: AcceleratedSession, tiny: Path, signature: str
) -> None:
    image = picture(tiny)
    for count in (0, 1, 3, 4, 9):
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
    session: Session,
    faster: AcceleratedSession,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    arithmetic = faster.arithmetic
    assert arithmetic is not None
    monkeypatch.setattr(arithmetic, "compute", failing_arithmetic)
    monkeypatch.setattr(faster, "_load_whole", lambda: Session(tiny, ["serve"], 1, 1))
    image = picture(tiny)
    for _ in range(2):
        actual = computed(faster, "predict_images", [image])
        check_agreement(computed(session, "predict_images", [image]), actual)
    assert isinstance(faster.failure, MemoryError)
    assert caplog.text.count("OpenVINO failed") == 1


def failing_arithmetic(_pixels: Array, *, is_alone: bool) -> Array:
    raise MemoryError(is_alone)


def test_a_photo_gets_the_same_numbers_alone_and_in_any_batch(
    faster: AcceleratedSession, tiny: Path
) -> None:
    """Bit for bit, and so do two sessions that were compiled apart, as in two instances."""
    photos = [picture(tiny), painting("red", 1), painting("lime", 2), painting("blue", 3)]
    together = computed(faster, "predict_images", photos)
    other = accelerate(tiny, ["serve"], (1, 1), never)
    try:
        for at, photo in enumerate(photos):
            for session in (faster, other):
                alone = computed(session, "predict_images", [photo])
                for row, rows in zip(alone, together, strict=True):
                    assert row.array.tolist() == rows.array[at : at + 1].tolist()
    finally:
        other.close()


def strings(*values: bytes) -> Tensor:
    return Tensor(types_pb2.DT_STRING, np.array([values], object))


def floats(*values: float) -> Tensor:
    return Tensor(types_pb2.DT_FLOAT, np.array([values], np.float32))


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        (floats(0.5, 0.4), floats(0.519, 0.381), True),
        (floats(0.5, 0.4), floats(0.53, 0.4), False),
        (floats(50, 4), floats(50.9, 4), True),
        (floats(50, 4), floats(51.1, 4), False),
        (floats(0.5), floats(float("nan")), False),
        (floats(0.5), floats(0.5, 0.5), False),
        (strings(b"a", b"b", b"c"), strings(b"a", b"c", b"b"), True),
        (strings(b"a", b"b", b"c"), strings(b"b", b"a", b"c"), False),
        (floats(), floats(), True),
    ],
)
def test_tensors_agree_within_the_tolerance_alone(
    expected: Tensor, actual: Tensor, agree: bool
) -> None:
    if agree:
        check_agreement([expected], [actual])
    else:
        with pytest.raises(NotAccelerated):
            check_agreement([expected], [actual])


def classify(server: RunningServer, tiny: Path) -> Any:
    request = predict_request("tiny", {}, signature="predict_images")
    actual = next(iter(warm_up_logs(tiny))).predict_log.request.inputs["images"]
    request.inputs["images"].CopyFrom(actual)
    return server.predictions.Predict(request, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    ("flag", "card", "runs_on"),
    [
        ("auto", {}, "OpenVINO, in f32"),
        ("auto", {"runtime": "openvino", "precision": "f32"}, "OpenVINO, in f32"),
        ("auto", {"runtime": "tensorflow"}, "TensorFlow alone: Its card says so."),
        ("auto", {"runtime": "abacus", "precision": 7}, "OpenVINO, in f32"),
        ("openvino", {"runtime": "tensorflow"}, "OpenVINO, in f32"),
        ("tensorflow", {"runtime": "openvino"}, None),
    ],
)
def test_a_version_runs_on_what_its_card_says_unless_a_flag_says_otherwise(
    tiny: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    flag: str,
    card: dict[str, Any],
    runs_on: str | None,
) -> None:
    need_openvino()
    version = copied(tiny, tmp_path)
    card_file = version / CARD_FILE
    card_file.write_text(json.dumps({**json.loads(card_file.read_bytes()), **card}))
    with loaded(version, flag, caplog):
        assert ("runs on" in caplog.text) == (runs_on is not None)
        assert (runs_on or "") in caplog.text


def copied(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model" / "1"))


@contextmanager
def loaded(
    version: Path, runtime: str, caplog: pytest.LogCaptureFixture
) -> Iterator[Session | AcceleratedSession]:
    """Load a version as a server does, and check that it answers."""
    with caplog.at_level(logging.INFO):
        servable = Loader(runtime=runtime).load("tiny", 1, version)
    try:
        assert len(computed(servable.session, "predict_images", [painting("red", 1)])[0].array) == 1
        yield servable.session
    finally:
        servable.session.close()


def test_a_broken_card_is_no_reason_to_fail(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    need_openvino()
    version = copied(tiny, tmp_path)
    (version / CARD_FILE).write_bytes(b"[" * 100_000)
    with loaded(version, AUTO, caplog):
        assert "runs on OpenVINO, in f32" in caplog.text


def test_what_openvino_computes_wrongly_tensorflow_computes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need_openvino()
    compute = CompiledNetwork.compute

    def wrong(self: CompiledNetwork, pixels: Array, *, is_alone: bool) -> Array:
        return compute(self, pixels, is_alone=is_alone)[:, ::-1] + 1

    monkeypatch.setattr(CompiledNetwork, "compute", wrong)
    version = copied(tiny, tmp_path)
    plain = Session(version, ["serve"], 1, 1)
    (expected,) = computed(plain, "embed", [picture(tiny)])
    plain.close()
    # With and without what TensorFlow is known to answer.
    for _ in range(2):
        with loaded(version, AUTO, caplog) as session:
            assert "answered differently by OpenVINO" in caplog.text
            assert isinstance(session, Session)
        write_warmup_embedding(version, expected.array[0])
        caplog.clear()


def test_a_graph_that_openvino_cannot_compile_is_left_to_tensorflow(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An operation that is harmless and that OpenVINO does not know stands in its way."""
    need_openvino()
    version = copied(tiny, tmp_path)
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    embedding = next(node for node in graph.node if node.name == EMBEDDING_NODE)
    unknown = graph.node.add(name="unknown", op="Lgamma", input=[embedding.input[0]])
    unknown.attr["T"].type = types_pb2.DT_FLOAT
    embedding.input[0] = "unknown"
    (version / "saved_model.pb").write_bytes(saved.SerializeToString())
    with loaded(version, AUTO, caplog):
        assert "OpenVINO did not take it: " in caplog.text


def test_versions_with_the_same_network_share_what_was_compiled(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    need_openvino()
    version = copied(tiny, tmp_path)
    graph = ServableGraph(version)
    head = graph.head()
    taught = replace(head, bias=np.arange(len(head.bias)).astype(np.float32))
    (version / "saved_model.pb").write_bytes(graph.with_head(taught))
    loader = Loader(runtime=AUTO)
    first, second = (loader.load("tiny", 1, folder).session for folder in (tiny, version))
    assert isinstance(first, AcceleratedSession)
    assert isinstance(second, AcceleratedSession)
    assert first.arithmetic is second.arithmetic
    ours, theirs = scores_of(first, picture(tiny)), scores_of(second, picture(tiny))
    assert not np.allclose(ours, theirs, atol=0.01)
    first.close()
    assert scores_of(second, picture(tiny)).tolist() == theirs.tolist()
    second.close()


def scores_of(session: Session | AcceleratedSession, photo: bytes) -> Array:
    at = sorted(session.signatures["predict_images"].outputs).index("scores")
    return computed(session, "predict_images", [photo])[at].array


def test_two_servers_answer_with_the_same_numbers(start_server: StartServer, tiny: Path) -> None:
    need_openvino()
    flags = ("--model_name=tiny", f"--model_base_path={tiny.parent}")
    plain = classify(start_server(*flags, "--runtime=tensorflow"), tiny)
    answers = []
    for threads in (1, 2):
        server = start_server(*flags, f"--tensorflow_intra_op_parallelism={threads}")
        # Not a moment later: the first answer is the same as all others.
        assert "tiny version 1 runs on OpenVINO, in f32" in server.log()
        answers += [classify(server, tiny) for _ in range(2)]
    for answer in answers:
        assert array(answer, "scores").tolist() == array(answers[0], "scores").tolist()
        assert np.allclose(array(answer, "scores"), array(plain, "scores"), atol=1e-5)
        assert array(answer, "classes")[0, 0] == array(plain, "classes")[0, 0]


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
    server.wait_for_log("on TensorFlow alone: libopenvino.so.1 is missing")
    assert classify(server, tiny).outputs["scores"].float_val
    assert server.stop() == 0


def test_an_unknown_runtime_is_refused(start_server: StartServer, tiny: Path) -> None:
    server = start_server(f"--model_base_path={tiny.parent}", "--runtime=abacus", wait=False)
    assert server.process.wait(TIMEOUT_SECONDS) == 1
    assert "--runtime must be one of auto, tensorflow, openvino, not abacus." in server.log()


def test_the_records_of_a_version_have_sound_checksums(tiny: Path) -> None:
    assert len(list(records((tiny / WARM_UP_FILE).read_bytes()))) == 2
