"""`servery serve` beyond loopback: with a token, at the addresses it prints, by allowed names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from backend.run_file import BackendRunFile
from serving.access_token import AccessToken
from serving.listen_address import ListenAddress
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.tiny_model import install_tiny


@pytest.fixture
def shell(tmp_path: Path) -> CommandLine:
    shell = CommandLine(tmp_path)
    install_tiny(ModelRepository(Workspace(shell.workspace).create().models))
    return shell


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "there is no token to ask them for yet"),
        (["--host", "nowhere.invalid"], "There is no address of the name"),
        (["--allow-host", "http://nas"], "is no host name"),
        (["--memory-budget", "1MB"], "At least 134 MB are needed."),
        (["--memory-budget", "much"], "much is not a size such as 512MB or 2GB."),
    ],
)
def test_what_serve_may_not_do_is_a_sentence(
    shell: CommandLine, arguments: list[str], sentence: str
) -> None:
    ended = shell.run("serve", *arguments)
    assert ended.returncode in (1, 2)
    assert ended.stdout == ""
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_serve_on_every_address_says_where_it_answers(shell: CommandLine) -> None:
    token = shell.run("token").stdout.strip()
    assert token == AccessToken(Workspace(shell.workspace).token).read()
    process = shell.start(
        *("serve", "--host", "0.0.0.0", "--port", "0", "--allow-host", "NAS.example"),
        *("--instances", "1", "--memory-budget", "600MB"),
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        here = process.stdout.readline().removeprefix("Servery answers at ").strip()
        port = urlsplit(here).port
        assert here == f"http://127.0.0.1:{port}"
        for expected in ListenAddress("0.0.0.0").urls_elsewhere(port or 0):
            assert process.stdout.readline() == f"Other machines reach it at {expected}\n"
            with httpx.Client(base_url=expected, trust_env=False) as http:
                assert http.get("/models").status_code == 401
                headers = {"Authorization": f"Bearer {token}", "Host": "nas.example"}
                assert http.get("/models", headers=headers).status_code == 200
                headers["Host"] = "other.example"
                refused = http.get("/models", headers=headers)
                assert refused.status_code == 403
                assert "servery serve --allow-host other.example" in refused.json()["advice"]
        assert "encrypted" in process.stderr.readline()
        # Those who asked for other names are not let down in silence.
        second = shell.run("serve", "--allow-host", "other.example")
        assert second.returncode == 1
        assert "the name other.example" in second.stderr
        third = shell.run("serve", "--memory-budget", "700MB")
        assert third.returncode == 1
        assert "has another memory budget" in third.stderr
        run_file = BackendRunFile.read(Workspace(shell.workspace))
        assert run_file is not None
        assert run_file.memory_budget == 600_000_000
    finally:
        process.terminate()
        process.communicate(timeout=60)
