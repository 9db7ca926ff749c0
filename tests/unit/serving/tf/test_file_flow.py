"""Which files a SavedModel may name: those of the version, by the loader, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.tf.graph_safety import unsafe_parts
from serving.tf.messages import meta_graph_pb2, types_pb2
from tests.support.graphs import (
    OUTPUT,
    fill_info,
    function,
    graph_of,
    harmless_model,
    initialize_with,
    node,
    text,
    write_version,
)

STRING, RESOURCE = types_pb2.DT_STRING, types_pb2.DT_RESOURCE


def parts(tmp_path: Path, saved: Any) -> list[str]:
    return unsafe_parts(write_version(tmp_path / "1", saved))


class Table:
    """A table that is filled from a file, by the initializer."""

    def __init__(self, op: str = "InitializeTableFromTextFileV2") -> None:
        self.saved = harmless_model()
        self.nodes = graph_of(self.saved).node
        self.op = op
        node(self.nodes, "HashTableV2", "table", key_dtype=STRING, value_dtype=STRING)
        text(self.nodes, "asset", "/etc/passwd")

    def fill(self, name: str) -> None:
        node(self.nodes, self.op, "fill", "table", name)

    def declare(self, tensor: str = "asset:0", filename: str = "words.txt") -> None:
        asset = self.saved.meta_graphs[0].asset_file_def.add(filename=filename)
        asset.tensor_info.name = tensor

    def initialize(self) -> None:
        node(self.nodes, "NoOp", "initialize", "^fill")
        initialize_with(self.saved, "initialize")


def test_a_table_is_filled_from_an_asset_by_the_initializer(tmp_path: Path) -> None:
    table = Table()
    table.fill("asset")
    table.declare()
    table.initialize()
    assert parts(tmp_path, table.saved) == []


def test_a_table_is_filled_from_no_other_file(tmp_path: Path) -> None:
    table = Table()
    table.fill("asset")
    table.initialize()
    assert parts(tmp_path, table.saved) == [table.op]


def test_an_asset_of_the_first_kind_is_one_too(tmp_path: Path) -> None:
    table = Table("InitializeTableFromTextFile")
    table.fill("asset")
    table.initialize()
    asset = meta_graph_pb2.AssetFileDef(filename="words.txt")
    asset.tensor_info.name = "asset:0"
    collection = table.saved.meta_graphs[0].collection_def["saved_model_assets"]
    collection.any_list.value.add().Pack(asset)
    assert parts(tmp_path, table.saved) == []


def test_a_call_does_not_fill_a_table_from_what_is_only_called_an_asset(tmp_path: Path) -> None:
    # The loader passes the names of assets to the initializer alone: what a call reads is the
    # constant, which may say anything.
    table = Table()
    table.fill("asset")
    table.declare()
    graph_of(table.saved).node[-1].name = "fill"
    output = next(each for each in table.nodes if each.name == OUTPUT)
    output.input.append("^fill")
    assert parts(tmp_path, table.saved) == [table.op]


def test_the_name_of_an_asset_is_not_changed_on_its_way(tmp_path: Path) -> None:
    table = Table()
    text(table.nodes, "prefix", "/etc/")
    node(table.nodes, "StringJoin", "joined", "prefix", "asset", separator="")
    table.fill("joined")
    table.declare()
    table.initialize()
    assert parts(tmp_path, table.saved) == [table.op]


def test_an_asset_reaches_a_table_through_functions(tmp_path: Path) -> None:
    table = Table()
    table.declare()
    inner = function(table.saved, "inner", {"table": RESOURCE, "name": STRING}, {})
    node(inner, "Identity", "same", "name", T=STRING)
    node(inner, table.op, "fill", "table", "same:output:0")
    outer = function(table.saved, "outer", {"name": STRING, "table": RESOURCE}, {})
    node(outer, "StatefulPartitionedCall", "call", "table", "name", f="function:inner")
    node(table.nodes, "StatefulPartitionedCall", "fill", "asset", "table", f="function:outer")
    table.initialize()
    assert parts(tmp_path, table.saved) == []
    # Called once more with another name:
    text(table.nodes, "other", "/etc/shadow")
    node(table.nodes, "outer", "again", "other", "table")
    table.nodes[-3].input.append("^again")
    initialize_with(table.saved, "again")
    assert unsafe_parts(write_version(tmp_path / "2", table.saved)) == [table.op]


def variable_of(table: Table, key: str = "") -> None:
    """Let the asset's name go by way of a variable, as TensorFlow 2 does."""
    node(table.nodes, "VarHandleOp", "variable", shared_name=key, dtype=STRING)
    node(table.nodes, "AssignVariableOp", "assign", "variable", "asset")
    node(table.nodes, "ReadVariableOp", "read", "variable", "^assign")
    table.fill("read")
    table.declare()
    table.initialize()


def test_an_asset_reaches_a_table_through_a_variable(tmp_path: Path) -> None:
    table = Table()
    variable_of(table)
    assert parts(tmp_path, table.saved) == []


def assigned_again(table: Table) -> None:
    text(table.nodes, "other", "/etc/shadow")
    node(table.nodes, "AssignVariableOp", "again", "variable", "other")


def handed_to_a_function(table: Table) -> None:
    nodes = function(table.saved, "assigns", {"variable": RESOURCE}, {})
    text(nodes, "other", "/etc/shadow")
    node(nodes, "AssignVariableOp", "again", "variable", "other:output:0")
    node(table.nodes, "StatefulPartitionedCall", "call", "variable", f="function:assigns")


def known_by_its_name(table: Table) -> None:
    nodes = function(table.saved, "assigns", {}, {})
    text(nodes, "other", "/etc/shadow")
    node(nodes, "VarHandleOp", "same", shared_name="variable", dtype=STRING)
    node(nodes, "AssignVariableOp", "again", "same:resource:0", "other:output:0")


@pytest.mark.parametrize("change", [assigned_again, handed_to_a_function, known_by_its_name])
def test_a_variable_that_others_assign_to_hands_on_no_asset(
    tmp_path: Path, change: Callable[[Table], None]
) -> None:
    table = Table()
    variable_of(table)
    change(table)
    assert parts(tmp_path, table.saved) == [table.op]


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../../b"])
def test_an_asset_outside_of_the_version_is_found(tmp_path: Path, name: str) -> None:
    saved = harmless_model()
    asset = saved.meta_graphs[0].asset_file_def.add(filename=name)
    asset.tensor_info.name = "images:0"
    assert parts(tmp_path, saved) == ["an asset outside of the version"]


def saver(saved: Any) -> None:
    """Add a saver as TensorFlow writes it."""
    nodes = graph_of(saved).node
    node(nodes, "Placeholder", "filename", dtype=STRING)
    node(nodes, "SaveV2", "save", "filename")
    node(nodes, "MergeV2Checkpoints", "merge", "filename", "filename", "^save")
    node(nodes, "Identity", "saved", "filename", "^merge", T=STRING)
    node(nodes, "RestoreV2", "restore", "filename")
    node(nodes, "NoOp", "restore_all", "^restore")
    definition = saved.meta_graphs[0].saver_def
    definition.filename_tensor_name = "filename:0"
    definition.save_tensor_name = "saved:0"
    definition.restore_op_name = "restore_all"


def test_a_saver_is_safe(tmp_path: Path) -> None:
    saved = harmless_model()
    saver(saved)
    assert parts(tmp_path, saved) == []


def restored_by_a_call(saved: Any) -> str:
    fill_info(saved.meta_graphs[0].signature_def["other"].outputs["y"], "restore")
    return "RestoreV2"


def saved_by_a_call(saved: Any) -> str:
    fill_info(saved.meta_graphs[0].signature_def["other"].outputs["y"], "saved")
    return "SaveV2"


def saved_by_the_initializer(saved: Any) -> str:
    initialize_with(saved, "saved")
    return "SaveV2"


def saved_by_the_other_initializer(saved: Any) -> str:
    signature = saved.meta_graphs[0].signature_def["__saved_model_init_op"]
    fill_info(signature.outputs["__saved_model_init_op"], "saved")
    return "SaveV2"


def saved_while_it_is_restored(saved: Any) -> str:
    saved.meta_graphs[0].saver_def.restore_op_name = "saved"
    return "SaveV2"


def restored_from_another_file(saved: Any) -> str:
    nodes = graph_of(saved).node
    text(nodes, "other", "/etc/passwd")
    node(nodes, "RestoreV2", "again", "other")
    nodes[-3].input.append("^again")
    saved.meta_graphs[0].saver_def.restore_op_name = "again"
    return "RestoreV2"


def in_the_place_of_what_a_call_runs(saved: Any) -> str:
    for name in ("harmless", "harmful"):
        nodes = function(saved, name, {"x": STRING}, {})
        graph_of(saved).library.function[-1].attr["api_implements"].s = b"the same"
        if name == "harmful":
            node(nodes, "RestoreV2", "restore", "x")
    return "RestoreV2"


def in_a_function_that_a_call_runs(saved: Any) -> str:
    node(function(saved, "restores", {"x": STRING}, {}), "RestoreV2", "restore", "x")
    call = node(graph_of(saved).node, "PartitionedCall", "call", "images", f="function:restores")
    fill_info(saved.meta_graphs[0].signature_def["other"].outputs["y"], call.name)
    return "RestoreV2"


@pytest.mark.parametrize(
    "misuse",
    [
        restored_by_a_call,
        saved_by_a_call,
        saved_by_the_initializer,
        saved_by_the_other_initializer,
        saved_while_it_is_restored,
        restored_from_another_file,
        in_the_place_of_what_a_call_runs,
        in_a_function_that_a_call_runs,
    ],
)
def test_a_saver_of_other_files_is_unsafe(tmp_path: Path, misuse: Callable[[Any], str]) -> None:
    saved = harmless_model()
    saver(saved)
    expected = misuse(saved)
    assert expected in parts(tmp_path, saved)


def test_functions_that_call_each_other_without_an_end_are_followed_once(tmp_path: Path) -> None:
    saved = harmless_model()
    saver(saved)
    # In each the arguments change places, so that it is called in ever more ways.
    width = 24
    inputs = {f"x{at}": STRING for at in range(width)}
    for level in range(width):
        nodes = function(saved, f"f{level}", inputs, {})
        for at in range(1, width):
            names = list(inputs)
            names[0], names[at] = names[at], names[0]
            node(nodes, f"f{(level + 1) % width}", f"call{at}", *names)
    node(graph_of(saved).node, "f0", "call", *["filename"] * (width // 2), *["images"] * 12)
    saved.meta_graphs[0].saver_def.restore_op_name = "call"
    assert parts(tmp_path, saved) in ([], ["a graph that is too large to be looked through"])


def test_a_chain_of_a_hundred_thousand_nodes_is_followed(tmp_path: Path) -> None:
    saved = harmless_model()
    saver(saved)
    nodes = graph_of(saved).node
    before = "filename"
    for at in range(100_000):
        node(nodes, "Identity", f"link{at}", before)
        before = f"link{at}"
    node(nodes, "RestoreV2", "late", before)
    saved.meta_graphs[0].saver_def.restore_op_name = "late"
    assert parts(tmp_path, saved) == []
    first = next(each for each in nodes if each.name == "link0")
    first.input[0] = before
    assert unsafe_parts(write_version(tmp_path / "2", saved)) == ["RestoreV2"]
