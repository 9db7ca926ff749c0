"""`servery fleet attach` and `detach`, from the shell."""

from __future__ import annotations

from pathlib import Path

from serving.models.repository import ModelRepository
from tests.support.command_line import CommandLine
from tests.support.model_server_by_hand import ModelServerByHand
from tests.support.tiny_model import TINY_MODEL, install_tiny


def test_a_server_of_somebody_else_answers_and_runs_on(tmp_path: Path, sample_jpeg: bytes) -> None:
    shell = CommandLine(tmp_path)
    install_tiny(ModelRepository(shell.workspace / "models"))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(sample_jpeg)
    # It polls the same folder, as one would that has the models from a shared disk.
    server = ModelServerByHand(shell.workspace, TINY_MODEL)
    try:
        refused = shell.run("fleet", "attach", "http://127.0.0.1")
        assert refused.returncode == 1
        assert "such as 10.0.0.5:8500" in refused.stderr
        attached = shell.run("fleet", "attach", server.address)
        assert attached.stdout == (
            f"{server.address} is attached. It gets photos, like {TINY_MODEL} v1 of this fleet.\n"
        )
        status = shell.json("fleet", "status")
        assert (status["instances"], status["ready"]) == ([], 0)
        assert status["attached"] == [
            {
                "address": server.address,
                "state": "ready",
                "versions": {TINY_MODEL: 1},
                "failure": "",
            }
        ]
        assert server.address in shell.run("fleet", "status").stdout
        (answer,) = shell.json_lines("classify", str(photo))
        assert answer["instance_id"] == server.address
        detached = shell.run("fleet", "detach", server.address)
        assert detached.stderr == f"{server.address} is detached. It runs on.\n"
        assert shell.run("fleet", "detach", server.address).returncode == 1
        assert server.runs
    finally:
        server.stop()
