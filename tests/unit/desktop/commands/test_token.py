"""`servery token` prints what lets callers in, and makes another one when asked."""

from __future__ import annotations

from click.testing import CliRunner

from desktop.cli import main
from serving.access_token import AccessToken
from serving.workspace import Workspace
from tests.support.command_line import json_lines


def run(workspace: Workspace, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--workspace", str(workspace.root), "token", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_prints_the_token_alone(workspace: Workspace) -> None:
    printed = run(workspace)
    assert printed == f"{AccessToken(workspace.token).read()}\n"
    assert run(workspace) == printed
    assert run(workspace, "--renew") != printed
    assert run(workspace) == f"{AccessToken(workspace.token).read()}\n"


def test_what_is_wrong_with_the_file_is_a_sentence(workspace: Workspace) -> None:
    workspace.token.write_text("?")
    command = ["--workspace", str(workspace.root), "token"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "servery token --renew" in result.stderr


def test_a_token_of_others_is_shown_once_listed_and_revoked(workspace: Workspace) -> None:
    text = run(workspace, "new", "phone", "--role", "label", "--per-minute", "60").strip()
    assert text not in workspace.named_tokens.read_text()
    assert "phone  label  60" in " ".join(run(workspace, "list").split(" "))
    (listed,) = json_lines(run(workspace, "list", "--json"))
    assert listed["name"] == "phone"
    assert "digest" not in listed
    run(workspace, "revoke", "phone")
    assert json_lines(run(workspace, "list", "--json")) == []
