import pytest

from serving.engines.choose import choose_engine
from serving.errors import EngineError
from serving.workspace import Workspace


@pytest.mark.parametrize("name", ["auto", "process"])
async def test_an_engine_that_works_here_is_chosen_and_says_why(
    workspace: Workspace, name: str
) -> None:
    engine = await choose_engine(name, workspace)
    assert engine.name == "process"
    availability = await engine.availability()
    assert availability.usable
    assert "nothing else to install" in availability.reason


async def test_an_unknown_engine_is_refused_with_the_known_ones(workspace: Workspace) -> None:
    with pytest.raises(EngineError, match="auto, process"):
        await choose_engine("steam", workspace)
