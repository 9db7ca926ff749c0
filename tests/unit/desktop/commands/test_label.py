"""`servery label` names what it looked for, before it labels anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.workspace import Workspace

ORDER = "The files come first and the class last"


@pytest.mark.parametrize(
    ("words", "named", "says_the_order"),
    [
        (["stripes", "photo.jpg"], "stripes", True),
        (["stripes", "gone.jpg", "photo.jpg"], "stripes", True),
        (["photo.jpg", "gone.jpg", "stripes"], "gone.jpg", False),
        (["no/such folder/a.jpg", "stripes"], "no/such folder/a.jpg", False),
    ],
)
def test_a_file_that_is_not_there_is_named(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    named: str,
    says_the_order: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    result = CliRunner().invoke(main, ["--workspace", str(workspace.root), "label", *words])
    assert result.exit_code == 1
    assert f"There is no file {named} to label as" in result.stderr
    assert (ORDER in result.stderr) == says_the_order
    assert not workspace.backend_run_file.exists()
