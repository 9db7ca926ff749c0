"""Which real models count as safe, and that the check comes before anything runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from serving.tf.graph_safety import UnsafeModel, unsafe_parts
from serving.tf.names import SERVE_TAG
from serving.tf.session import Session
from serving.tf.tensors import string_tensor
from serving.tf.trust import check_trusted, version_digest
from tests.conftest import ROOT
from tests.support.graphs import graph_of, write_version, writes_at_load
from tests.support.tiny_model import write_tiny

MODELS = ("keras_export", "saved_network", "words", "words_of_tf1")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(
        [sys.executable, "-m", "tests.support.safe_models", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_models_that_only_compute_are_loaded(models: Path, name: str) -> None:
    assert unsafe_parts(models / name) == []
    session = Session(models / name, [SERVE_TAG], 1, 1)
    assert "serving_default" in session.signatures
    session.close()


@pytest.mark.parametrize("name", ["words", "words_of_tf1"])
def test_a_table_has_what_is_in_the_asset(models: Path, name: str) -> None:
    session = Session(models / name, [SERVE_TAG], 1, 1)
    signature = session.signatures["serving_default"]
    feed, fetch = signature.inputs["words"].name, signature.outputs["numbers"].name
    (numbers,) = session.computation([feed], [fetch])([string_tensor([b"one"])], None)
    assert list(numbers.array) == [2.0]
    session.close()


def test_our_own_versions_are_safe(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    write_tiny(folder)
    assert unsafe_parts(folder) == []


def test_the_lists_of_operations_follow_the_rule() -> None:
    # In a process of its own, since the rule reads the whole registry.
    subprocess.run(
        [sys.executable, "-c", CHECK], cwd=ROOT, check=True, capture_output=True, timeout=120
    )


CHECK = """
from tests.support.operations_rule import sources
for path, text in sources().items():
    assert text == path.read_text(), "run python -m tests.support.operations_rule"
"""


def test_what_a_model_runs_while_it_is_loaded_does_not_run_unless_it_is_trusted(
    tmp_path: Path,
) -> None:
    written = tmp_path / "written"
    folder = write_version(tmp_path / "models" / "evil" / "1", writes_at_load(written, "harm"))
    with pytest.raises(UnsafeModel):
        Session(folder, [SERVE_TAG], 1, 1)
    assert not written.exists()
    # So the attack is one: TensorFlow does run it.
    Session(folder, [SERVE_TAG], 1, 1, trusted=True).close()
    assert written.read_text() == "harm"


def test_a_trusted_version_that_is_changed_is_not_trusted_any_more(tmp_path: Path) -> None:
    saved = writes_at_load(tmp_path / "written", "harm")
    folder = write_version(tmp_path / "1", saved)
    trusted = tmp_path / "trusted.json"
    trusted.write_text(f'{{"{version_digest(folder)}": "evil/1"}}')
    check_trusted(folder, trusted)
    for name in ("assets/words.txt", "variables/variables.index", "saved_model.pbtxt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("changed")
        with pytest.raises(UnsafeModel):
            check_trusted(folder, trusted)
        path.unlink()
    # What is not loaded does not matter.
    (folder / "notes.txt").write_text("harmless")
    check_trusted(folder, trusted)
    graph_of(saved).node[0].name = "another"
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(UnsafeModel):
        check_trusted(folder, trusted)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"a": {}}', b"[" * 100_000])
def test_a_damaged_list_trusts_nobody(tmp_path: Path, content: bytes) -> None:
    folder = write_version(tmp_path / "1", writes_at_load(tmp_path / "written", "harm"))
    trusted = tmp_path / "trusted.json"
    trusted.write_bytes(content)
    with pytest.raises(UnsafeModel):
        check_trusted(folder, trusted)
