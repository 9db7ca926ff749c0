"""What a SavedModel could reach outside of its own process, found before anything of it runs.

A SavedModel is a program, and parts of it run as soon as it is loaded. Every operation of every
graph and of every function must be one of `SAFE_OPERATIONS`, apart from these:

- what saves and restores variables, if the file name is the one that TensorFlow's loader passes
  to the saver, and nothing else that runs leads there (`file_flow.py`);
- what fills a table from a file, if that is an asset of the version, named by the loader;
- what prints, to the standard streams, and what decodes messages of types that are built in.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf.message import DecodeError

from serving.tf.file_flow import FILE_OPERATIONS, TooLarge, asset_files, misplaced
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.safe_operations import FUNCTION_CALLERS, SAFE_OPERATIONS
from serving.tf.saved_graph import read_saved_graph
from serving.tf.status import Code, ServingError, unreadable
from serving.tf.unsafe_operations import UNSAFE_OPERATIONS

MAX_GRAPH_BYTES = 2**31 - 1
"""TensorFlow reads no larger one."""

MAX_NODES = 1_000_000
"""Large networks have tens of thousands."""

_OTHER_FORMS = ("saved_model.pbtxt", "saved_model.cpb")
"""Files that TensorFlow would read in the place of `SAVED_MODEL_FILE`, or instead of it."""

_STREAMS = {b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)"}
_BUILT_IN_TYPES = {b"", b"local://"}
_ATTRIBUTES = {
    "PrintV2": ("output_stream", _STREAMS),
    "DecodeProtoV2": ("descriptor_source", _BUILT_IN_TYPES),
    "EncodeProto": ("descriptor_source", _BUILT_IN_TYPES),
}
"""Operations that reach files only if an attribute has another value than these."""


class UnsafeModel(ServingError):
    """A version does, or could do, more than compute; PERMISSION_DENIED."""

    def __init__(self, reasons: list[str], unknown: list[str]) -> None:
        if unknown:
            kinds = "an operation" if len(unknown) == 1 else "operations"
            message = (
                f"The model has {kinds} that this TensorFlow does not know, {_listed(unknown)}, so"
                " it cannot be loaded. Save it again with an older TensorFlow, and without the"
                " operations of other libraries."
            )
        else:
            message = (
                "The model can reach files, the network or other programs, by "
                f"{_listed(reasons)}, and nobody has said that it is trusted."
            )
        super().__init__(Code.PERMISSION_DENIED, message)
        self.reasons = reasons
        """What it uses, sorted: operations by name, or a few words."""
        self.can_be_trusted = not unknown
        """Whether it could be loaded if a person said that it is trusted."""


def unsafe_parts(folder: Path) -> list[str]:
    """Return what in a version could reach outside of its process; empty if nothing.

    Operations that this TensorFlow does not know are among them, since another may know them.
    Takes milliseconds, and runs nothing. Raises ServingError if the graph cannot be read.
    """
    found, unknown = _inspect(folder)
    return sorted(found | unknown)


def check_operations(folder: Path) -> None:
    """Raise UnsafeModel if a version could reach outside of its process, or another ServingError.

    Nothing of it has run then.
    """
    found, unknown = _inspect(folder)
    if found or unknown:
        raise UnsafeModel(sorted(found | unknown), sorted(unknown))


def _inspect(folder: Path) -> tuple[set[str], set[str]]:
    """Return what is unsafe, and the operations that this TensorFlow does not know."""
    unknown: set[str] = set()
    others = [name for name in _OTHER_FORMS if (folder / name).exists()]
    found = {f"a graph in another form, {name}" for name in others}
    path = folder / SAVED_MODEL_FILE
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for
            raise ServingError(Code.INVALID_ARGUMENT, f"{path} is not a file.")
        if state.st_size > MAX_GRAPH_BYTES:
            raise ServingError(Code.INVALID_ARGUMENT, f"{path} is larger than 2 GiB.")
        # What is looked at is in no large constant.
        saved_model = read_saved_graph(path.read_bytes()).saved_model
        for meta_graph in saved_model.meta_graphs:
            found.update(_of_meta_graph(meta_graph, unknown))
    except FileNotFoundError:
        if others:
            return found, unknown
        raise ServingError(Code.NOT_FOUND, f"There is no {SAVED_MODEL_FILE} in {folder}.") from None
    except OSError as error:
        raise unreadable(path, error) from error
    except DecodeError as error:
        raise ServingError(
            Code.DATA_LOSS, f"{path} is damaged: it is not the graph of a SavedModel."
        ) from error
    except TooLarge:
        found.add("a graph that is too large to be looked through")
    return found, unknown


def _of_meta_graph(meta_graph: Any, unknown: set[str]) -> Iterator[str]:
    """Yield what is unsafe; what this TensorFlow does not know is added to `unknown`."""
    graph = meta_graph.graph_def
    functions = {function.signature.name for function in graph.library.function}
    # TensorFlow takes an operation that is called as a function for the function.
    for name in functions & (SAFE_OPERATIONS | FILE_OPERATIONS | _ATTRIBUTES.keys()):
        yield f"a function called {_printable(name)}"
    if len(functions) != len(graph.library.function):
        yield "two functions of one name"
    reads_files = False
    every = (graph.node, *(function.node_def for function in graph.library.function))
    if sum(map(len, every)) > MAX_NODES:
        raise TooLarge
    for nodes in every:
        for node in nodes:
            # An operation may also be run by its name in a function's place: `then_branch`.
            for operation in (node.op, *called_functions(node)):
                if operation in SAFE_OPERATIONS or operation in functions:
                    continue
                if operation in FILE_OPERATIONS:
                    reads_files = True
                elif operation not in UNSAFE_OPERATIONS:
                    unknown.add(_printable(operation))
                elif not _has_safe_attribute(operation, node):
                    yield _printable(operation)
    for asset in asset_files(meta_graph):
        path = PurePosixPath(asset.filename)
        if path.is_absolute() or ".." in path.parts:
            yield "an asset outside of the version"
    if reads_files:
        yield from map(_printable, misplaced(meta_graph))


def called_functions(node: Any) -> Iterator[str]:
    """Yield the names of the functions that a node has as attributes."""
    if node.op in FUNCTION_CALLERS:
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            if kind == "func":
                yield value.func.name
            elif kind == "list":
                yield from (function.name for function in value.list.func)


def _has_safe_attribute(operation: str, node: Any) -> bool:
    # Named as a function by another node, it would run with attributes that are not this one's.
    if operation not in _ATTRIBUTES or operation != node.op:
        return False
    name, allowed = _ATTRIBUTES[operation]
    return name not in node.attr or node.attr[name].s in allowed


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[:100]


def _listed(reasons: list[str], limit: int = 5) -> str:
    shown = [*reasons[:limit], *([f"{len(reasons) - limit} more"] if len(reasons) > limit else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
