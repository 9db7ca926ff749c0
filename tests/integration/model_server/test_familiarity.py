"""A version with a familiarity on the real server: what it answers, and to whom."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from backend.training.head import ServableGraph
from serving.model_server import openvino_runtime
from serving.models.familiarity import Familiarity, OldClasses, TaughtClasses
from serving.models.familiarity_graph import with_familiarity
from serving.models.repository import ModelRepository
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.tensors import from_proto
from tests.integration.model_server.calls import array, predict_request, tensor
from tests.integration.model_server.conftest import RunningServer, StartServer
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS, install_tiny
from tests.support.tiny_network import EMBEDDING_SIZE

PHOTOS = [painting("red", 1), drawing("rings", 2), painting("lime", 3), drawing("smiley", 4)]


def familiarity() -> Familiarity:
    """Both parts, with numbers that give every photo another value."""
    random = np.random.default_rng(0)
    classes, spread = 3, 5
    matrix = random.normal(0, 1, (EMBEDDING_SIZE, spread + classes + 1)).astype(np.float32)
    return Familiarity(
        OldClasses(len(COLORS), np.full(EMBEDDING_SIZE, 0.2, np.float32), 4.0, 0.8),
        TaughtClasses(matrix, random.normal(0, 1, classes).astype(np.float32), -10.0, 0.25),
    )


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of a version that answers with a familiarity."""
    version = install_tiny(ModelRepository(tmp_path / "models")).path
    graph = version / SAVED_MODEL_FILE
    graph.write_bytes(with_familiarity(graph.read_bytes(), familiarity()))
    return version


def answered(server: RunningServer, *outputs: str, signature: str) -> dict[str, np.ndarray]:
    photos = {"images": tensor(PHOTOS, "object")}
    request = predict_request(
        "tiny", photos, signature=signature, outputs=outputs if signature != "embed" else ()
    )
    response = server.predictions.Predict(request, timeout=60)
    return {name: from_proto(proto, name).array for name, proto in response.outputs.items()}


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_a_server_answers_what_was_learned(
    start_server: StartServer, tiny: Path, runtime: str
) -> None:
    if runtime == "openvino" and not openvino_runtime.is_installed():
        pytest.skip("OpenVINO is not installed.")
    server = start_server(
        "--model_name=tiny", f"--model_base_path={tiny.parent}", f"--runtime={runtime}"
    )
    server.wait_for_states("tiny", {1: "AVAILABLE"})
    if runtime == "openvino":
        server.wait_for_log("tiny version 1 runs on OpenVINO")
    embeddings = answered(server, signature="embed")["embedding"]
    answers = answered(server, signature="predict_images")
    assert set(answers) == {"classes", "scores", "familiarity", "embedding"}
    np.testing.assert_allclose(answers["embedding"], embeddings, atol=1e-4)
    logits = ServableGraph(tiny).head().logits(embeddings)
    expected = familiarity().of(embeddings, logits)
    np.testing.assert_allclose(answers["familiarity"], expected, atol=1e-3)
    assert np.ptp(expected) > 0.1
    # A filter takes what it names; who names no signature gets no long vectors.
    chosen = answered(server, "classes", "embedding", signature="predict_images")
    assert set(chosen) == {"classes", "embedding"}
    assert set(answered(server, signature="serving_default")) == {
        "classes",
        "scores",
        "familiarity",
    }


def test_rest_rows_have_it_beside_the_scores(start_server: StartServer, tiny: Path) -> None:
    server = start_server("--model_name=tiny", f"--model_base_path={tiny.parent}")
    server.wait_for_states("tiny", {1: "AVAILABLE"})
    body = {"instances": [{"b64": b64encode(photo).decode()} for photo in PHOTOS]}
    rows = json.loads(server.http("/v1/models/tiny:predict", body).body)["predictions"]
    expected = answered(server, signature="serving_default")["familiarity"]
    assert [row["familiarity"] for row in rows] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_version_without_it_answers_as_ever(start_server: StartServer, tmp_path: Path) -> None:
    version = install_tiny(ModelRepository(tmp_path / "models")).path
    server = start_server("--model_name=tiny", f"--model_base_path={version.parent}")
    server.wait_for_states("tiny", {1: "AVAILABLE"})
    assert set(answered(server, signature="predict_images")) == {"classes", "scores"}
    request = predict_request("tiny", {"images": tensor(PHOTOS, "object")})
    response = server.predictions.Predict(request, timeout=60)
    assert array(response, "scores").shape == (len(PHOTOS), len(COLORS))
