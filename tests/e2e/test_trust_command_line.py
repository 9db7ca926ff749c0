"""`servery models trust`, and `servery fleet tcp`, from the shell."""

from __future__ import annotations

from pathlib import Path

from serving.models.repository import ModelRepository
from serving.models.version_trust import untrusted_parts
from tests.support.command_line import CommandLine
from tests.support.graphs import write_version, writes_at_load
from tests.support.tiny_model import TINY_MODEL, install_tiny


def test_a_model_is_trusted_by_the_person_who_says_so(tmp_path: Path) -> None:
    shell = CommandLine(tmp_path)
    repository = ModelRepository(shell.workspace / "models")
    install_tiny(repository)
    written = tmp_path / "written"
    write_version(repository.root / TINY_MODEL / "2", writes_at_load(written, "harm"))
    with shell.serving():
        promoted = shell.run("promote", "2")
        assert promoted.returncode == 1
        assert "by WriteFile" in promoted.stderr
        refused = shell.run("models", "trust", TINY_MODEL)
        assert refused.returncode == 1
        assert "A model is a program: use only models that you trust." in refused.stderr
        assert "Version 2 of" in refused.stderr
        assert untrusted_parts(repository, TINY_MODEL, 2) == ["WriteFile"]
        trusted = shell.run("models", "trust", TINY_MODEL, "--yes")
        assert (trusted.returncode, trusted.stdout) == (
            0,
            f"Version 2 of {TINY_MODEL} is trusted now.\n",
        )
        again = shell.json("models", "trust", TINY_MODEL, "--version", "2")
        assert again == {"model": TINY_MODEL, "version": 2, "unsafe_parts": []}
        withdrawn = shell.run("models", "trust", TINY_MODEL, "--withdraw")
        assert withdrawn.stdout == f"Version 2 of {TINY_MODEL} is not trusted any more.\n"
        assert "Instances that have loaded it keep it" in withdrawn.stderr
        assert untrusted_parts(repository, TINY_MODEL, 2) == ["WriteFile"]
        none = shell.run("models", "trust", TINY_MODEL, "--withdraw")
        assert (none.returncode, none.stdout) == (1, "")
        missing = shell.run("models", "trust", TINY_MODEL, "--version", "9", "--yes")
        assert missing.returncode == 1
        assert "no version 9" in missing.stderr
    assert not written.exists()


def test_tcp_is_off_until_it_is_set(tmp_path: Path) -> None:
    shell = CommandLine(tmp_path)
    install_tiny(ModelRepository(shell.workspace / "models"))
    assert shell.json("fleet", "runtime") == {"runtime": "card"}
    assert shell.json("fleet", "runtime", "tensorflow") == {"runtime": "tensorflow"}
    (each,) = shell.json("fleet", "start", "1")["instances"]
    try:
        assert "TensorFlow computes" in shell.run("fleet", "runtime").stdout
        assert each["grpc_address"].startswith("unix:")
        assert each["rest_address"].startswith("unix:")
        assert shell.json("fleet", "tcp") == {"tcp": False}
        assert shell.json("fleet", "tcp", "on") == {"tcp": True}
        (each,) = shell.json("fleet", "status")["instances"]
        assert each["grpc_address"].startswith("127.0.0.1:")
        assert "every user of this machine" in shell.run("fleet", "tcp").stdout
    finally:
        assert shell.run("fleet", "stop").returncode == 0
