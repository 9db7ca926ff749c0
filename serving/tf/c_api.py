"""TensorFlow's runtime through its C interface.

`import tensorflow` costs seconds and hundreds of megabytes for layers that a
server never calls. The shared libraries of the installed package hold the whole
runtime, the SavedModel loader of the original server included, behind a C
interface that is kept stable; opening them takes half a second. Models of
TensorFlow 1 and 2 load alike, feeds are not checked against placeholder shapes
(as in the original server), and a call releases Python's interpreter lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.tf.status import Code, ServingError

_POINTER = ctypes.c_void_p
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t
_TEXT = ctypes.c_char_p


class Buffer(ctypes.Structure):
    """`TF_Buffer`: bytes with a length."""

    _fields_ = (("data", _POINTER), ("length", _SIZE), ("deallocator", _POINTER))


class Output(ctypes.Structure):
    """`TF_Output`: one output of one operation."""

    _fields_ = (("operation", _POINTER), ("index", _INT))


_BUFFER = ctypes.POINTER(Buffer)
_TENSORS = (ctypes.POINTER(Output), ctypes.POINTER(_POINTER), _INT)
"""Names in the graph, the `TF_Tensor`s, and how many."""

_RUNTIME: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_Version": (_TEXT, ()),
    "TF_NewGraph": (_POINTER, ()),
    "TF_DeleteGraph": (None, (_POINTER,)),
    "TF_GraphOperationByName": (_POINTER, (_POINTER, _TEXT)),
    "TF_OperationNumOutputs": (_INT, (_POINTER,)),
    "TF_NewSessionOptions": (_POINTER, ()),
    "TF_SetConfig": (None, (_POINTER, _TEXT, _SIZE, _POINTER)),
    "TF_DeleteSessionOptions": (None, (_POINTER,)),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        (_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT, _POINTER, _BUFFER, _POINTER),
    ),
    "TF_CloseSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteSession": (None, (_POINTER, _POINTER)),
    "TF_SessionRun": (
        None,
        (_POINTER, _BUFFER, *_TENSORS, *_TENSORS, _POINTER, _INT, _POINTER, _POINTER),
    ),
    "TF_StringInit": (None, (_POINTER,)),
    "TF_StringCopy": (None, (_POINTER, _TEXT, _SIZE)),
    "TF_StringGetDataPointer": (_POINTER, (_POINTER,)),
    "TF_StringGetSize": (_SIZE, (_POINTER,)),
    "TF_NewStatus": (_POINTER, ()),
    "TF_DeleteStatus": (None, (_POINTER,)),
    "TF_GetCode": (_INT, (_POINTER,)),
    "TF_Message": (_TEXT, (_POINTER,)),
    "TF_NewBuffer": (_BUFFER, ()),
    "TF_DeleteBuffer": (None, (_BUFFER,)),
    "TF_AllocateTensor": (_POINTER, (_INT, ctypes.POINTER(ctypes.c_int64), _INT, _SIZE)),
    "TF_DeleteTensor": (None, (_POINTER,)),
    "TF_TensorType": (_INT, (_POINTER,)),
    "TF_NumDims": (_INT, (_POINTER,)),
    "TF_Dim": (ctypes.c_int64, (_POINTER, _INT)),
    "TF_TensorByteSize": (_SIZE, (_POINTER,)),
    "TF_TensorData": (_POINTER, (_POINTER,)),
}


@functools.cache
def library() -> Any:
    """Open TensorFlow's shared libraries; every later call returns the same handle.

    Raises ServingError (FAILED_PRECONDITION) if TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By default TensorFlow uses oneDNN's kernels only on processors with VNNI or AMX, but they
    # are twice as fast with AVX2 too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    spec = importlib.util.find_spec("tensorflow")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in map(Path, folders):
        runtime = folder / "libtensorflow_cc.so.2"
        if runtime.is_file():
            with _silenced_stderr():
                handle = _opened(str(runtime))
            for name, (result, arguments) in _RUNTIME.items():
                function = getattr(handle, name)
                function.restype = result
                function.argtypes = arguments
            return handle
    raise ServingError(
        Code.FAILED_PRECONDITION,
        "TensorFlow's shared libraries were not found: install the package `tensorflow-cpu`.",
    )


def has_gpu() -> bool:
    """Say whether this machine has a graphics processor that TensorFlow may use."""
    return Path("/proc/driver/nvidia").exists()


def _opened(path: str) -> Any:
    """Open a shared library whose functions are looked up as they are called; raises OSError.

    `ctypes` looks up all 190,000 that TensorFlow calls at once, a third of the time it takes to
    open.
    """
    system = ctypes.CDLL(None)
    handle = None
    if hasattr(system, "dlopen"):
        system.dlopen.restype, system.dlopen.argtypes = _POINTER, (_TEXT, _INT)
        handle = system.dlopen(os.fsencode(path), os.RTLD_LAZY | os.RTLD_LOCAL)
    # Where that fails, it fails here again, and says why.
    return ctypes.CDLL(path, handle=handle)


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what the libraries print while they open, before they read their log level."""
    with contextlib.suppress(OSError):  # the log may be on a full disk
        sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def checked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function whose last argument is a `TF_Status`; return the result.

    Raises ServingError if the status is not OK.
    """
    tensorflow = library()
    status = tensorflow.TF_NewStatus()
    try:
        result = function(*arguments, status)
        code = tensorflow.TF_GetCode(status)
        if code:
            message = tensorflow.TF_Message(status).decode("utf-8", "replace")
            raise ServingError(Code(code), message)
        return result
    finally:
        tensorflow.TF_DeleteStatus(status)


def dimensions(shape: Sequence[int]) -> Any:
    """Return a C array of int64 for a shape."""
    return (ctypes.c_int64 * len(shape))(*shape)
