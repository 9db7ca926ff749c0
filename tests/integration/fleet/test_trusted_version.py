"""A version that does more than compute goes live once a person trusts it, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.fleet.version_trial import UnusableVersion, try_version
from serving.models.version_trust import trust_version
from serving.tf.messages import saved_model_pb2
from tests.support.fleet_env import TinyFleet
from tests.support.graphs import graph_of, initialize_with, node, text
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import TINY_MODEL
from tests.support.waiting import wait_for_view


def add_version_that_writes(tiny: TinyFleet, target: Path) -> int:
    """Add a version that answers as the live one, and writes a file when it is loaded."""
    number = tiny.next_version().number
    graph = tiny.repository.version(TINY_MODEL, number).path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(graph.read_bytes())
    nodes = graph_of(saved).node
    text(nodes, "target", str(target))
    text(nodes, "content", "loaded")
    node(nodes, "WriteFile", "write", "target", "content")
    node(nodes, "NoOp", "initialize", "^write")
    initialize_with(saved, "initialize")
    graph.write_bytes(saved.SerializeToString())
    return number


async def test_it_is_refused_everywhere_until_it_is_trusted(
    tiny: TinyFleet, tmp_path: Path
) -> None:
    await tiny.fleet.scale(1)
    written = tmp_path / "written"
    number = add_version_that_writes(tiny, written)
    version = tiny.repository.version(TINY_MODEL, number)
    with pytest.raises(UnusableVersion) as caught:
        await try_version(version)
    assert f"`servery models trust tiny --version {number}`" in caught.value.advice.replace(
        TINY_MODEL, "tiny"
    )
    assert "nobody has said that it is trusted" in caught.value.what
    # Somebody promotes it all the same: the last good version goes on answering.
    tiny.repository.promote(TINY_MODEL, number)
    view = await wait_for_view(tiny.fleet, lambda view: TINY_MODEL in view.faults, 60)
    assert "nobody has said that it is trusted" in view.faults[TINY_MODEL].what
    assert (await tiny.client.classify(image_bytes("red"))).version != number
    assert not written.exists()
    trust_version(tiny.repository, TINY_MODEL, number)
    await wait_for_view(tiny.fleet, lambda view: view.live_version == number, 60)
    assert written.read_text() == "loaded"
    assert (await tiny.client.classify(image_bytes("red"))).version == number
