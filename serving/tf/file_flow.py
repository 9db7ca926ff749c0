"""Follows the names of files through a graph: who reads or writes which, and when.

TensorFlow's loader runs two things with names of files that it passes itself: the saver's
restore operation, with that of the version's variables, and the initializer, with those of the
version's assets. All other names are the graph's own, or a caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from serving.tf.messages import meta_graph_pb2
from serving.tf.names import EMBEDDING_NODE
from serving.tf.safe_operations import FUNCTION_CALLERS

_RESTORES = frozenset({"RestoreV2", "Restore", "RestoreSlice"})
_FILLS_A_TABLE = frozenset({"InitializeTableFromTextFileV2", "InitializeTableFromTextFile"})
_SAVES = frozenset({"SaveV2", "MergeV2Checkpoints", "Save", "SaveSlices"})
FILE_OPERATIONS = _RESTORES | _FILLS_A_TABLE | _SAVES
"""What `misplaced` looks at; everything else must be safe anyway."""

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_INITIALIZER = "__saved_model_init_op"
_ASSETS_COLLECTION = "saved_model_assets"
_INITIALIZER_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_SWAPPABLE = "api_implements"
"""Attribute of functions that TensorFlow may run in the place of one another."""
MAX_VISITS = 2_000_000
"""Nodes that are looked at, those of a function again for each way in which it is called."""


class TooLarge(Exception):
    """There is more to follow than can be followed."""


class Origin(Enum):
    """Where the name of a file comes from."""

    OTHER = 0
    ASSET = 1
    """The loader: an asset of the version."""
    VARIABLES = 2
    """The loader: the version's variables."""


def misplaced(meta_graph: Any) -> set[str]:
    """Return the file operations that the loader, or a call, could run on another file.

    Raises TooLarge.
    """
    flow = _Flow(meta_graph.graph_def)
    assets = {_output(each.tensor_info.name): Origin.ASSET for each in asset_files(meta_graph)}
    saver = meta_graph.saver_def
    variables = {_output(saver.filename_tensor_name): Origin.VARIABLES}
    # What TensorFlow's loader feeds: the names of assets to the initializer, and that of the
    # variables as well to the restore operation. Of what clients feed to calls nothing is known.
    flow.run(_initializers(meta_graph), assets)
    flow.run([saver.restore_op_name], assets | variables)
    flow.run(_fetches(meta_graph), {})
    return flow.found | _swappable(meta_graph.graph_def)


def asset_files(meta_graph: Any) -> list[Any]:
    """Return the `AssetFileDef`s, from where the loader takes them; raises DecodeError."""
    if meta_graph.asset_file_def or _ASSETS_COLLECTION not in meta_graph.collection_def:
        return list(meta_graph.asset_file_def)
    files = []
    for packed in meta_graph.collection_def[_ASSETS_COLLECTION].any_list.value:
        file = meta_graph_pb2.AssetFileDef()
        packed.Unpack(file)
        files.append(file)
    return files


def _initializers(meta_graph: Any) -> Iterator[str]:
    if _INITIALIZER in meta_graph.signature_def:
        for info in meta_graph.signature_def[_INITIALIZER].outputs.values():
            yield info.name
    for name in _INITIALIZER_COLLECTIONS:
        if name in meta_graph.collection_def:
            yield from meta_graph.collection_def[name].node_list.value


def _fetches(meta_graph: Any) -> Iterator[str]:
    """Yield what calls of any signature can compute, and what this program computes itself."""
    yield EMBEDDING_NODE
    for name, signature in meta_graph.signature_def.items():
        if name != _INITIALIZER:
            for info in signature.outputs.values():
                yield info.name
                yield from (part.name for part in info.composite_tensor.components)
                sparse = info.coo_sparse
                yield from (
                    sparse.values_tensor_name,
                    sparse.indices_tensor_name,
                    sparse.dense_shape_tensor_name,
                )


def _swappable(graph: Any) -> set[str]:
    # TensorFlow may run any function that implements the same interface as the one that is
    # called, so that no file name can be followed into them.
    return {
        node.op
        for function in graph.library.function
        if _SWAPPABLE in function.attr
        for node in function.node_def
        if node.op in FILE_OPERATIONS
    }


@dataclass(frozen=True)
class _Scope:
    """The main graph, or a function as one call sees it."""

    nodes: Mapping[str, Any]
    origins: dict[str, Origin]
    """By output, of what is known; grows as more is looked up."""
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By a variable's node, what is assigned to it, if nothing else can be."""


class _Flow:
    """Runs parts of a graph without computing anything; collects what is misplaced."""

    def __init__(self, graph: Any) -> None:
        self.found: set[str] = set()
        self._nodes = {node.name: node for node in graph.node}
        self._functions = {each.signature.name: each for each in graph.library.function}
        self._variables = _variables_of_the_main_graph(graph)
        self._visits = 0

    def run(self, targets: Iterable[str], fed: Mapping[str, Origin]) -> None:
        """Visit all that these nodes depend on, with the outputs in `fed` replaced."""
        scope = _Scope(self._nodes, dict(fed), self._variables)
        calls: list[tuple[str, tuple[Origin, ...]]] = []
        waiting = [_node(name) for name in targets]
        seen = set()
        while waiting:
            name = waiting.pop()
            node = self._nodes.get(name)
            if node is None or name in seen:
                continue
            seen.add(name)
            calls += self._visit(node, scope)
            waiting += map(_node, node.input)
        self._run_functions(calls)

    def _run_functions(self, calls: list[tuple[str, tuple[Origin, ...]]]) -> None:
        seen = set()
        while calls:
            call = calls.pop()
            function = self._functions.get(call[0])
            if call in seen or function is None:
                continue
            seen.add(call)
            # A call is a function's name with the origins of its arguments: each such pair is
            # followed once, so that functions that call each other come to an end.
            names = [argument.name for argument in function.signature.input_arg]
            nodes = {node.name: node for node in function.node_def}
            scope = _Scope(nodes, dict(zip(names, call[1], strict=False)))
            for node in function.node_def:
                calls += self._visit(node, scope)

    def _visit(self, node: Any, scope: _Scope) -> Iterator[tuple[str, tuple[Origin, ...]]]:
        """Judge a node; yield the functions that it calls, with the origins of their arguments."""
        self._visits += 1 + len(node.input)
        if self._visits > MAX_VISITS:
            raise TooLarge
        inputs = [name for name in node.input if not name.startswith("^")]
        if node.op in FILE_OPERATIONS:
            at, expected = (1, Origin.ASSET) if node.op in _FILLS_A_TABLE else (0, Origin.VARIABLES)
            origin = self._origin(inputs[at], scope) if len(inputs) > at else Origin.OTHER
            if node.op in _SAVES or origin is not expected:
                self.found.add(node.op)
        elif node.op in self._functions:
            yield node.op, self._origins(inputs, scope)
        elif node.op in FUNCTION_CALLERS:
            origins = self._origins(inputs, scope) if node.op in _CALLS else ()
            for value in node.attr.values():
                for function in (value.func, *value.list.func):
                    if function.name:
                        yield function.name, origins

    def _origins(self, inputs: Sequence[str], scope: _Scope) -> tuple[Origin, ...]:
        return tuple(self._origin(name, scope) for name in inputs)

    def _origin(self, name: str, scope: _Scope, by_variables: bool = True) -> Origin:
        """Return where a tensor comes from, by way of operations that pass it on unchanged."""
        passed: list[str] = []
        origin = Origin.OTHER
        while True:
            output = _output(name)
            known = scope.origins.get(output)
            if known is not None:
                origin = known
                break
            passed.append(output)
            # Until it is known, so that a loop ends.
            scope.origins[output] = Origin.OTHER
            node = scope.nodes.get(_node(name))
            if node is None or not node.input or not _is_first(output, node):
                break
            if node.op == "ReadVariableOp":
                assigned = scope.variables.get(_node(node.input[0]), ()) if by_variables else ()
                origins = {self._origin(each, scope, by_variables=False) for each in assigned}
                origin = origins.pop() if len(origins) == 1 else Origin.OTHER
                break
            if node.op != "Identity" or node.op in self._functions:
                break
            name = node.input[0]
        for output in passed:
            scope.origins[output] = origin
        return origin


def _variables_of_the_main_graph(graph: Any) -> dict[str, list[str]]:
    """Return what is assigned to each variable that only the main graph can assign to."""
    handles = [node for node in graph.node if node.op == "VarHandleOp"]
    keys = [_variable_key(node) for node in handles]
    keys += [
        _variable_key(node)
        for function in graph.library.function
        for node in function.node_def
        if node.op == "VarHandleOp"
    ]
    counts = Counter(keys)
    found: dict[str, list[str]] = {
        node.name: [] for node in handles if counts[_variable_key(node)] == 1
    }
    for node in graph.node:
        for at, name in enumerate(node.input):
            variable = _node(name)
            if variable not in found or name.startswith("^"):
                continue
            if node.op == "AssignVariableOp" and at == 0 and len(node.input) > 1:
                found[variable].append(node.input[1])
            elif node.op not in ("ReadVariableOp", "VarIsInitializedOp", "DestroyResourceOp"):
                del found[variable]  # it is passed on to where it may be assigned to
    return found


def _variable_key(node: Any) -> tuple[bytes, bytes]:
    """Return what TensorFlow shares one variable by, between all nodes that have the same."""
    name = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    container = node.attr["container"].s if "container" in node.attr else b""
    return container, name or node.name.encode()


def _node(name: str) -> str:
    return name.lstrip("^").partition(":")[0]


def _output(name: str) -> str:
    """Return one name for an output: `node` for its first one, `node:1`, and `node:name:1`."""
    return name.removesuffix(":0") if name.count(":") == 1 else name


def _is_first(output: str, node: Any) -> bool:
    """Whether an output is the first, and here the only one, of a node."""
    return (
        output == node.name
        or output.startswith(f"{node.name}:output:0")
        or (node.op == "ReadVariableOp" and output == f"{node.name}:value:0")
    )
