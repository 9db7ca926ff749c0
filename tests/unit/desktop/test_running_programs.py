"""Which programs keep a workspace running, whatever is in the place of their entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.running_programs import forget_killed, registered, running_programs
from serving.workspace import Workspace
from tests.support.damage import DAMAGES, Damage


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_nobodys_and_is_kept(tmp_path: Path, damage: Damage) -> None:
    workspace = Workspace(tmp_path).create()
    with registered(workspace, "servery serve") as program:
        damage(workspace.programs / "1-ab.json")
        assert [each.name for each in running_programs(workspace)] == ["servery serve"]
        assert forget_killed(workspace) == []
        assert len(list(workspace.damaged.iterdir())) == 1
        assert program.leave()
