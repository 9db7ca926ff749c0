"""The rule by which operations are safe, applied to TensorFlow's registry.

`python -m tests.support.operations_rule` writes `serving/tf/safe_operations.py` and
`unsafe_operations.py` again, for a new version of TensorFlow: look at what the change adds
before you keep it.
"""

from __future__ import annotations

import ctypes
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from serving.tf.c_api import Buffer, library
from serving.tf.messages import types_pb2
from tests.conftest import ROOT

SAFE = ROOT / "serving" / "tf" / "safe_operations.py"
UNSAFE = ROOT / "serving" / "tf" / "unsafe_operations.py"

REACHES_OUT = re.compile(
    r"""
    ^_                      # of the runtime itself, never in an exported graph
    | Dataset | Iterator | Optimize.*Options | ^GetOptions$ | ^(Un)?[cC]ompressElement$
    | ^Reader | Reader(V2)?$ | ^Snapshot | ^Summary
    | ^Debug | ^Copy | ^Dump
    | ^Py | ^Xla | Mlir | ^TPU | ^Tpu | TpuTask | TPUEmbedding | ^Infeed | ^Outfeed | SparseCore
    | ^DTensor | ^Relayout | ^Prelinearize | DedupData$ | ^CustomAggregator$
    | ^SymbolicGradient$    # runs a function that the library maps another one to
    | ^Abort$               # ends the process
    | ^ImmutableConst$      # reads a file whose name it calls a memory region
    | ^GenerateVocabRemapping$ | ^ReadFile$ | ^MatchingFiles$
    | ^InitializeTableFromTextFile$ | ^(En|De)codeProto(V2)?$
    """,
    re.VERBOSE,
)
"""Operations without state that reach files, the network or code, or are of no use in a model."""

HARMLESS_STATE = re.compile(
    r"""
    ^(Anonymous)?(Mutable(Dense)?)?HashTable(OfTensors)?(V2)?$
    | ^InitializeTableV2$ | ^LookupTable
    | ^Assign(Add|Sub)?VariableOp$ | ^ReadVariableOp$ | ^VarHandleOp$ | ^VarIsInitializedOp$
    | ^Variable(V2|Shape)?$ | ^DestroyResourceOp$ | ^TemporaryVariable$ | ^DisableCopyOnRead$
    | ^Resource(Gather|Scatter|StridedSlice|Apply|SparseApply|CountUpTo)
    | ^TensorArray | ^Stack(Push|Pop|Close)?(V2)?$
    | ^Random(Crop|Gamma|Poisson|Shuffle|StandardNormal|Uniform|UniformInt)(V2)?$
    | ^Stateful(RandomBinomial|StandardNormal|TruncatedNormal|Uniform)
    | ^StatelessRandomGetAlg$ | ^Rng | ^NonDeterministicInts$ | ^Multinomial$
    | ^(Parameterized)?TruncatedNormal$ | ^SampleDistortedBoundingBox(V2)?$
    | ^(All|Uniform|LogUniform|LearnedUnigram|ThreadUnsafeUnigram)CandidateSampler$
    | ^(If|Case|While|StatefulPartitionedCall)$
    | ^Assert$ | ^CheckNumerics(V2)?$ | ^Print$ | ^Timestamp$ | ^DeviceIndex$
    | ^Empty$ | ^GuaranteeConst$ | ^DeepCopy$ | ^CudnnRNN
    | ^(Add|Take)ManySparse(To|From)TensorsMap$ | ^AddSparseToTensorsMap$
    | ^BoostedTrees(Create|Deserialize|Get|Predict|Ensemble|Quantile|Serialize)
    | ^IsBoostedTrees
    """,
    re.VERBOSE,
)
"""Operations with state, all of it in the process's own memory."""

NAMES_A_PLACE = re.compile(
    r"file|(?<!top_)path|address|url|dir$|directory|module|memory_region", re.I
)
"""An input or attribute of such a name makes an operation unsafe, whatever else it is."""


_SAFE_DOCSTRING = '''"""Operations that reach nothing but memory and processor of their own process.

Written by `python -m tests.support.operations_rule`, which holds the rule: what TensorFlow's
registry calls stateless, without what touches files, the network or code, and what only keeps
variables, tables and random numbers. An operation that is not here counts as unsafe, so that
those of a later TensorFlow do too, until somebody has looked at them.
"""
'''
_UNSAFE_DOCSTRING = '''"""The other operations that the installed TensorFlow has.

Written by `python -m tests.support.operations_rule`. What is in neither list cannot be loaded,
whether somebody trusts it or not.
"""
'''


ONLY_FOR_GRAPHICS_CARDS = {"_CopyFromGpuToHost", "_CopyFromHostToGpu"}
"""Unsafe ones that `tensorflow` registers and `tensorflow-cpu` does not; either may be there."""


def registered() -> list[Any]:
    """Return the `OpDef`s of all operations that the installed TensorFlow has."""
    # `import tensorflow` would add operations that only its own tests have.
    op_def_pb2 = sys.modules[f"{types_pb2.__package__}.op_def_pb2"]
    tensorflow = library()
    tensorflow.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    contents = tensorflow.TF_GetAllOpList().contents
    return list(op_def_pb2.OpList.FromString(ctypes.string_at(contents.data, contents.length)).op)


def is_safe(operation: Any) -> bool:
    """Say whether the rule allows an operation, whatever its attributes are."""
    arguments = (*operation.input_arg, *operation.attr)
    if any(NAMES_A_PLACE.search(argument.name) for argument in arguments):
        return str(operation.name) == "ShardedFilename"  # it only joins strings
    if operation.is_stateful:
        return HARMLESS_STATE.search(operation.name) is not None
    return REACHES_OUT.search(operation.name) is None


def calls_functions(operation: Any) -> bool:
    """Say whether an operation has a function of the library as an attribute."""
    return any(str(each.type) in ("func", "list(func)") for each in operation.attr)


def _block(names: list[str]) -> str:
    return "\n".join(textwrap.wrap(" ".join(sorted(names)), 98, break_on_hyphens=False))


def sources() -> dict[Path, str]:
    """Return the text that each of the written modules should have."""
    operations = registered()
    safe = [operation for operation in operations if is_safe(operation)]
    callers = [operation.name for operation in safe if calls_functions(operation)]
    unsafe = {operation.name for operation in operations if not is_safe(operation)}
    unsafe |= ONLY_FOR_GRAPHICS_CARDS
    return {
        SAFE: f'''{_SAFE_DOCSTRING}
_SAFE = """
{_block([operation.name for operation in safe])}
"""
_CALLERS = """
{_block(callers)}
"""

SAFE_OPERATIONS = frozenset(_SAFE.split())

FUNCTION_CALLERS = frozenset(_CALLERS.split())
"""Those of them that run functions of the graph's library."""
''',
        UNSAFE: f'''{_UNSAFE_DOCSTRING}
_UNSAFE = """
{_block(list(unsafe))}
"""

UNSAFE_OPERATIONS = frozenset(_UNSAFE.split())
''',
    }


if __name__ == "__main__":
    for path, text in sources().items():
        path.write_text(text)
