"""One loaded SavedModel: a TensorFlow session and what it can compute."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.tf.c_api import (
    Buffer,
    Output,
    checked,
    dimensions,
    has_gpu,
    library,
)
from serving.tf.free_memory import return_free_memory
from serving.tf.graph_safety import check_operations
from serving.tf.messages import config_pb2, types_pb2
from serving.tf.names import VARIABLES_FOLDER
from serving.tf.saved_graph import signatures_of
from serving.tf.status import Code, ServingError, invalid
from serving.tf.tensors import NUMPY_DTYPES, Tensor, type_name

_STRING_SIZE = 24
_MIN_ZERO_COPY_BYTES = 1 << 16
"""A result of at least this size is not copied: its array uses TensorFlow's memory."""
_FUSION = "remap"
"""TensorFlow's name of what joins a convolution with its bias and activation."""

Computation = Callable[[Sequence[Tensor], float | None], list[Tensor]]
"""Feeds in order, and seconds until it must be done (None: any); the fetches in order."""


class Session:
    """A SavedModel loaded by the original server's own loader, with its variables.

    Thread-safe except for `close`, which must not be called during a computation.
    """

    def __init__(
        self,
        folder: Path,
        tags: Sequence[str],
        intra_op_threads: int,
        inter_op_threads: int,
        *,
        trusted: bool = False,
        optimized: bool = True,
    ) -> None:
        """Load `folder`; raises ServingError with TensorFlow's code and message.

        Parts of a model run while it is loaded. Unless it is trusted, UnsafeModel is raised
        before that if they could do more than compute. `optimized` says whether TensorFlow looks
        for what it can rewrite before each kind of computation, which pays for arithmetic alone.
        """
        if not trusted:
            check_operations(folder)
        self._tensorflow = library()
        self._graph = self._tensorflow.TF_NewGraph()
        self._session: int | None = None
        meta_graph = self._tensorflow.TF_NewBuffer()
        options = self._options(folder, intra_op_threads, inter_op_threads, optimized)
        try:
            names = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
            load = self._tensorflow.TF_LoadSessionFromSavedModel
            source = (str(folder).encode(), names, len(tags))
            self._session = checked(load, options, None, *source, self._graph, meta_graph)
            contents = meta_graph.contents
            serialized = (ctypes.c_char * contents.length).from_address(contents.data)
            self.signatures = signatures_of(memoryview(serialized).cast("B"))
        except BaseException:
            self.close()
            raise
        finally:
            self._tensorflow.TF_DeleteSessionOptions(options)
            self._tensorflow.TF_DeleteBuffer(meta_graph)

    def _options(
        self, folder: Path, intra_op_threads: int, inter_op_threads: int, optimized: bool
    ) -> int:
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=intra_op_threads,
            inter_op_parallelism_threads=inter_op_threads,
            allow_soft_placement=True,
            device_count={} if has_gpu() else {"GPU": 0},
            # Otherwise each set of fetches keeps a copy of the graph, weights included, for
            # callers that ask which part of it ran.
            experimental=config_pb2.ConfigProto.Experimental(disable_output_partition_graphs=True),
        )
        rewrites = config.graph_options.rewrite_options
        rewrites.MergeFrom(type(rewrites)(disable_meta_optimizer=not optimized))
        if optimized and not (folder / VARIABLES_FOLDER).exists():
            # Servery exported it: there is nothing to fold, and looking for it takes three times
            # as long as all else that is done before the first answer.
            rewrites.optimizers.append(_FUSION)
            rewrites.meta_optimizer_iterations = rewrites.ONE
        serialized = config.SerializeToString()
        options: int = self._tensorflow.TF_NewSessionOptions()
        checked(self._tensorflow.TF_SetConfig, options, serialized, len(serialized))
        return options

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            checked(self._tensorflow.TF_CloseSession, session)
            checked(self._tensorflow.TF_DeleteSession, session)
        graph, self._graph = self._graph, None
        if graph is not None:
            self._tensorflow.TF_DeleteGraph(graph)
            return_free_memory()

    def computation(
        self,
        feeds: Sequence[str],
        fetches: Sequence[str],
        constants: Mapping[str, NativeTensor] | None = None,
    ) -> Computation:
        """Return a function from the tensors named `feeds` to those named `fetches`.

        `constants` are fed in each call, by their names. Raises ServingError (INVALID_ARGUMENT) if
        the graph has no such tensor.
        """
        same = dict(constants or {})
        inputs = (Output * (len(same) + len(feeds)))(*map(self._output, (*same, *feeds)))
        outputs = (Output * len(fetches))(*map(self._output, fetches))
        tensorflow, session = self._tensorflow, self._session

        def compute(tensors: Sequence[Tensor], seconds: float | None) -> list[Tensor]:
            fed = (ctypes.c_void_p * len(inputs))()
            fetched = (ctypes.c_void_p * len(outputs))()
            try:
                for index, constant in enumerate(same.values()):
                    fed[index] = constant.handle
                for index, tensor in enumerate(tensors, start=len(same)):
                    fed[index] = _to_native(tensor)
                options, _keep_alive = _run_options(seconds)
                feeds_and_fetches = (inputs, fed, len(inputs), outputs, fetched, len(outputs))
                checked(
                    tensorflow.TF_SessionRun, session, options, *feeds_and_fetches, None, 0, None
                )
                results = []
                for index, handle in enumerate(fetched):
                    # From here on `_from_native` deletes it, so `finally` must not.
                    fetched[index] = None
                    results.append(_from_native(handle))
                return results
            finally:
                for handle in (*fed[len(same) :], *fetched):
                    if handle:
                        tensorflow.TF_DeleteTensor(handle)

        return compute

    def has_operation(self, name: str) -> bool:
        """Say whether the graph has a node of this name."""
        return self._tensorflow.TF_GraphOperationByName(self._graph, name.encode()) is not None

    def _output(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        handle = self._tensorflow.TF_GraphOperationByName(self._graph, operation.encode())
        number = int(index) if index.isdecimal() else 0
        if handle is None or number >= self._tensorflow.TF_OperationNumOutputs(handle):
            raise invalid(f"Tensor {name}, specified in a signature, was not found in the graph")
        return Output(handle, number)


def _run_options(seconds: float | None) -> tuple[Any, bytes]:
    if seconds is None:
        return None, b""
    milliseconds = max(1, math.ceil(seconds * 1000))
    serialized = config_pb2.RunOptions(timeout_in_ms=milliseconds).SerializeToString()
    pointer = ctypes.cast(ctypes.c_char_p(serialized), ctypes.c_void_p)
    return ctypes.byref(Buffer(pointer, len(serialized), None)), serialized


def _to_native(tensor: Tensor) -> int:
    """Return a `TF_Tensor` with a copy of the values.

    The array's memory is not lent: a graph may keep a fed tensor's memory (an assigned
    variable does), and TensorFlow's own is aligned for its kernels.
    """
    dtype, array = tensor
    if dtype == types_pb2.DT_STRING:
        return _strings_to_native(array)
    array = np.ascontiguousarray(array).reshape(array.shape)
    handle = _allocated(dtype, array.shape, array.nbytes)
    if array.nbytes:
        ctypes.memmove(library().TF_TensorData(handle), array.ctypes.data, array.nbytes)
    return handle


def _allocated(dtype: int, shape: Sequence[int], size: int) -> int:
    handle: int | None = library().TF_AllocateTensor(dtype, dimensions(shape), len(shape), size)
    if handle is None:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"There is no memory for a {type_name(dtype)} tensor of shape {list(shape)}.",
        )
    return handle


def _strings_to_native(array: Any) -> int:
    tensorflow = library()
    handle = _allocated(types_pb2.DT_STRING, array.shape, array.size * _STRING_SIZE)
    at = tensorflow.TF_TensorData(handle)
    for value in array.flat:
        tensorflow.TF_StringInit(at)
        tensorflow.TF_StringCopy(at, value, len(value))
        at += _STRING_SIZE
    return handle


class NativeTensor:
    """A tensor in TensorFlow's memory, to be fed as often as one likes."""

    def __init__(self, tensor: Tensor) -> None:
        """Copy it; raises ServingError (RESOURCE_EXHAUSTED) if there is no memory."""
        self._delete = library().TF_DeleteTensor
        self.handle = _to_native(tensor)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._delete(self.handle)


class _BorrowedArray:
    """A `TF_Tensor` whose memory an array uses; deleted with the last such array."""

    def __init__(self, handle: int, data: int, numpy_dtype: Any, shape: tuple[int, ...]) -> None:
        self._handle, self._delete = handle, library().TF_DeleteTensor
        self.__array_interface__ = {
            "data": (data, False),
            "shape": shape,
            "typestr": numpy_dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        self._delete(self._handle)


def _from_native(handle: int) -> Tensor:
    """Return the values of a `TF_Tensor`, which is freed now or, if large, with the array."""
    tensorflow = library()
    borrowed = False
    try:
        dtype: int = tensorflow.TF_TensorType(handle)
        axes = range(tensorflow.TF_NumDims(handle))
        shape = tuple(tensorflow.TF_Dim(handle, axis) for axis in axes)
        data = tensorflow.TF_TensorData(handle)
        if dtype == types_pb2.DT_STRING:
            return Tensor(dtype, _strings_from_native(data, math.prod(shape)).reshape(shape))
        numpy_dtype = NUMPY_DTYPES.get(dtype)
        if numpy_dtype is None:
            raise ServingError(
                Code.UNIMPLEMENTED, f"Results of type {type_name(dtype)} cannot be sent."
            )
        size = tensorflow.TF_TensorByteSize(handle)
        if size >= _MIN_ZERO_COPY_BYTES:
            borrowed = True
            return Tensor(dtype, np.asarray(_BorrowedArray(handle, data, numpy_dtype, shape)))
        content = ctypes.string_at(data, size) if size else b""
        return Tensor(dtype, np.frombuffer(content, numpy_dtype).reshape(shape))
    finally:
        if not borrowed:
            tensorflow.TF_DeleteTensor(handle)


def _strings_from_native(data: int, count: int) -> Any:
    tensorflow = library()
    array = np.empty(count, object)
    for index in range(count):
        at = data + index * _STRING_SIZE
        size = tensorflow.TF_StringGetSize(at)
        array[index] = ctypes.string_at(tensorflow.TF_StringGetDataPointer(at), size)
    return array
