"""The state of the fleet on a terminal: a narrow table, and each reason once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop.commands.fleet import _show
from serving.engines.protocol import InstanceState
from tests.support.fleet_views import fleet_view, instance_view


def test_sockets_are_named_below_a_table_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    each = instance_view(1)
    folder = "/home/somebody/.local/share/servery/run/sockets"
    addresses = (f"unix:{folder}/instance-000001.{kind}" for kind in ("grpc", "rest"))
    grpc, rest = addresses
    instance = replace(each.instance, grpc_address=grpc, rest_address=rest)
    _show(fleet_view(replace(each, instance=instance)), as_json=False)
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 100
    assert f"{folder}/INSTANCE.grpc" in printed.err


def test_why_a_model_cannot_be_loaded_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    starting = instance_view(1, InstanceState.STARTING, failure="Its server says: No graph.")
    said = {"pets": "No graph.", "birds": "No memory."}
    _show(fleet_view(replace(starting, load_errors=said)), as_json=False)
    printed = capsys.readouterr().err
    assert printed.count("No graph.") == 1
    assert "cannot load birds: No memory." in printed
