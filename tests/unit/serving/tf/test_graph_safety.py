"""What in a SavedModel counts as more than computing, on models that want to do harm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.tf.graph_safety import MAX_NODES, UnsafeModel, check_operations, unsafe_parts
from serving.tf.messages import types_pb2
from serving.tf.status import Code, ServingError
from tests.support.graphs import (
    function,
    graph_of,
    harmless_model,
    node,
    write_version,
    writes_at_load,
)

STRING = types_pb2.DT_STRING

HARMFUL = """
ReadFile WriteFile MatchingFiles WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2
TFRecordReader TFRecordReaderV2 FixedLengthRecordReader LMDBReader IdentityReader ReaderRead
TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset SqlDataset LMDBDataset
CSVDataset LoadDataset SaveDataset SaveDatasetV2 SnapshotDataset SnapshotDatasetV2 CacheDataset
CacheDatasetV2 DatasetToTFRecord DatasetFromGraph MatchingFilesDataset DataServiceDatasetV4
RegisterDataset IteratorGetNext OneShotIterator InitializeTableFromDataset
ImmutableConst GenerateVocabRemapping LoadAndRemapMatrix FixedUnigramCandidateSampler Skipgram
CreateSummaryFileWriter CreateSummaryDbWriter SummaryWriter WriteSummary ImportEvent
DebugIdentity DebugIdentityV2 DebugNanCount DebugNumericSummary DumpTensor Copy CopyHost
PyFunc PyFuncStateless EagerPyFunc MlirPassthroughOp XlaCallModule XlaCustomCallV2 XlaLaunch
RemoteCall RpcClient RpcCall CollectiveReduceV2 NcclAllReduce Send Recv _Send _Recv _HostSend
FileSystemSetConfiguration CalibrationStatisticsSaver DistributedSave DTensorRestoreV2 Abort
SymbolicGradient RecordInput SentencepieceOp MyOwnOperation readfile
""".split()  # noqa: SIM905 - a list literal would take ninety lines


def parts(tmp_path: Path, saved: Any) -> list[str]:
    return unsafe_parts(write_version(tmp_path / "1", saved))


def test_what_only_computes_is_safe(tmp_path: Path) -> None:
    assert parts(tmp_path, harmless_model()) == []


@pytest.mark.parametrize("operation", HARMFUL)
def test_harmful_operations_are_found(tmp_path: Path, operation: str) -> None:
    saved = harmless_model()
    node(graph_of(saved).node, operation, "harm")
    assert parts(tmp_path, saved) == [operation]


def in_a_function(saved: Any) -> None:
    nodes = function(saved, "helper", {"x": STRING}, {"y": ("read:contents:0", STRING)})
    node(nodes, "ReadFile", "read", "x")
    node(
        graph_of(saved).node,
        "StatefulPartitionedCall",
        "call",
        "images",
        f="function:helper",
        Tin=[STRING],
        Tout=[STRING],
    )


def in_a_function_that_nothing_calls(saved: Any) -> None:
    node(function(saved, "unused", {}, {}), "ReadFile", "read")


def in_a_function_of_a_function(saved: Any) -> None:
    node(function(saved, "inner", {}, {}), "ReadFile", "read")
    node(function(saved, "outer", {}, {}), "PartitionedCall", "call", f="function:inner")
    node(graph_of(saved).node, "outer", "call")


def as_the_branch_of_a_condition(saved: Any) -> None:
    node(
        graph_of(saved).node,
        "StatelessIf",
        "choose",
        "images",
        then_branch="function:ReadFile",
        else_branch="function:ReadFile",
    )


def in_a_list_of_branches(saved: Any) -> None:
    case = node(graph_of(saved).node, "Case", "choose", "images")
    case.attr["branches"].list.func.add(name="ReadFile")


def in_a_loop(saved: Any) -> None:
    node(function(saved, "body", {}, {}), "ReadFile", "read")
    node(graph_of(saved).node, "While", "loop", cond="function:body", body="function:body")


def in_another_meta_graph(saved: Any) -> None:
    other = saved.meta_graphs.add()
    other.meta_info_def.tags.append("gpu")
    node(other.graph_def.node, "ReadFile", "read")


@pytest.mark.parametrize(
    "hide",
    [
        in_a_function,
        in_a_function_that_nothing_calls,
        in_a_function_of_a_function,
        as_the_branch_of_a_condition,
        in_a_list_of_branches,
        in_a_loop,
        in_another_meta_graph,
    ],
)
def test_harmful_operations_are_found_in_every_part_of_a_graph(
    tmp_path: Path, hide: Callable[[Any], None]
) -> None:
    saved = harmless_model()
    hide(saved)
    assert parts(tmp_path, saved) == ["ReadFile"]


@pytest.mark.parametrize("name", ["Identity", "RestoreV2", "PrintV2"])
def test_a_function_in_the_place_of_an_operation_is_found(tmp_path: Path, name: str) -> None:
    saved = harmless_model()
    function(saved, name, {}, {})
    assert parts(tmp_path, saved) == [f"a function called {name}"]


def test_two_functions_of_one_name_are_found(tmp_path: Path) -> None:
    saved = harmless_model()
    function(saved, "twice", {}, {})
    function(saved, "twice", {}, {})
    assert parts(tmp_path, saved) == ["two functions of one name"]


@pytest.mark.parametrize(
    ("operation", "attribute", "value", "is_safe"),
    [
        ("PrintV2", "output_stream", "stderr", True),
        ("PrintV2", "output_stream", "log(info)", True),
        ("PrintV2", "output_stream", "file:///home/somebody/.profile", False),
        ("PrintV2", "output_stream", "", False),
        ("DecodeProtoV2", "descriptor_source", "local://", True),
        ("DecodeProtoV2", "descriptor_source", "/etc/passwd", False),
        ("EncodeProto", "descriptor_source", "", True),
        ("EncodeProto", "descriptor_source", "bytes://x", False),
    ],
)
def test_an_attribute_may_make_the_difference(
    tmp_path: Path, operation: str, attribute: str, value: str, is_safe: bool
) -> None:
    saved = harmless_model()
    node(graph_of(saved).node, operation, "harm", **{attribute: value})
    assert parts(tmp_path, saved) == ([] if is_safe else [operation])


def test_a_missing_attribute_has_its_default(tmp_path: Path) -> None:
    saved = harmless_model()
    node(graph_of(saved).node, "PrintV2", "print", "images")
    assert parts(tmp_path, saved) == []


def test_a_damaged_graph_is_a_sentence(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "1", harmless_model())
    whole = (folder / "saved_model.pb").read_bytes()
    for content in (b"\xff" * 100, whole[:-5], whole[5:], b"text, not a graph"):
        (folder / "saved_model.pb").write_bytes(content)
        with pytest.raises(ServingError) as caught:
            check_operations(folder)
        assert caught.value.code is Code.DATA_LOSS
        assert caught.value.message.endswith("it is not the graph of a SavedModel.")


def test_a_graph_that_is_not_there_or_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"There is no saved_model\.pb in"):
        check_operations(tmp_path)
    (tmp_path / "saved_model.pb").mkdir()
    with pytest.raises(ServingError, match="is not a file"):
        check_operations(tmp_path)
    (tmp_path / "saved_model.pb").rmdir()
    os.mkfifo(tmp_path / "saved_model.pb")
    with pytest.raises(ServingError, match="is not a file"):
        check_operations(tmp_path)


def test_a_graph_in_another_form_is_not_taken_for_safe(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "1", harmless_model())
    for name in ("saved_model.pbtxt", "saved_model.cpb"):
        (folder / name).touch()
        assert unsafe_parts(folder) == [f"a graph in another form, {name}"]
        (folder / name).unlink()


def test_a_huge_graph_is_not_taken_for_safe(tmp_path: Path) -> None:
    saved = harmless_model()
    nodes = graph_of(saved).node
    for _ in range(MAX_NODES):
        nodes.add(op="NoOp")
    assert parts(tmp_path, saved) == ["a graph that is too large to be looked through"]


def test_the_error_names_what_it_found(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "1", writes_at_load(tmp_path / "written", "x"))
    with pytest.raises(UnsafeModel) as caught:
        check_operations(folder)
    assert caught.value.reasons == ["WriteFile"]
    assert caught.value.message == (
        "The model can reach files, the network or other programs, by WriteFile, and nobody "
        "has said that it is trusted."
    )
    assert not (tmp_path / "written").exists()


def test_the_error_is_short_and_printable_whatever_they_are_called(tmp_path: Path) -> None:
    saved = harmless_model()
    for number in range(30):
        node(graph_of(saved).node, f"\x1b[31m\u202e{number:02}{'x' * 1000}", f"harm{number}")
    folder = write_version(tmp_path / "1", saved)
    with pytest.raises(UnsafeModel) as caught:
        check_operations(folder)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 800
    assert "25 more" in caught.value.message


@pytest.mark.parametrize("name", ["Conv9D", "Addons>Blink", "WriteFileV2", "SentencepieceOp"])
def test_trust_would_not_help_an_operation_that_tensorflow_does_not_know(
    tmp_path: Path, name: str
) -> None:
    saved = writes_at_load(tmp_path / "written", "x")
    node(graph_of(saved).node, name, "unknown")
    folder = write_version(tmp_path / "1", saved)
    with pytest.raises(UnsafeModel) as caught:
        check_operations(folder)
    assert not caught.value.can_be_trusted
    assert caught.value.message.startswith(
        f"The model has an operation that this TensorFlow does not know, {name}, so"
    )
    assert "trust" not in caught.value.message
    assert unsafe_parts(folder) == sorted([name, "WriteFile"])


def test_what_tensorflow_knows_can_be_trusted(tmp_path: Path) -> None:
    for name in ("WriteFile", "PyFunc", "TextLineDataset", "_Send", "DebugIdentityV2"):
        saved = harmless_model()
        node(graph_of(saved).node, name, "known")
        with pytest.raises(UnsafeModel) as caught:
            check_operations(write_version(tmp_path / name, saved))
        assert caught.value.can_be_trusted
