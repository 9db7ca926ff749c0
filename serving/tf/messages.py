"""TensorFlow Serving's message classes, without importing TensorFlow.

`import tensorflow_serving.apis.predict_pb2` runs `tensorflow/__init__`, which
costs seconds and hundreds of megabytes. The message modules need only their
siblings, so an empty placeholder stands in for each parent package while they
load: its `__path__` names the package's folders and its `__init__` never runs.
Where real TensorFlow is loaded already, it is used and nothing is replaced. The
placeholders leave `sys.modules` afterwards, so a later `import tensorflow` in
the same process gets the real one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

_PARENTS = (
    "tensorflow",
    "tensorflow.core",
    "tensorflow.core.framework",
    "tensorflow.core.protobuf",
    "tensorflow.core.example",
    "tensorflow.core.util",
    "tensorflow_serving",
    "tensorflow_serving.apis",
    "tensorflow_serving.config",
)


@contextmanager
def _placeholder_parents() -> Iterator[None]:
    if "tensorflow" in sys.modules:
        yield
        return
    placed: list[str] = []
    try:
        for name in _PARENTS:
            if name in sys.modules:
                continue
            package = types.ModuleType(name)
            package.__path__ = _folders(name)
            sys.modules[name] = package
            placed.append(name)
        yield
    finally:
        for name in placed:
            sys.modules.pop(name, None)


def _folders(name: str) -> list[str]:
    parent, _, leaf = name.rpartition(".")
    if parent:
        return [f"{folder}/{leaf}" for folder in sys.modules[parent].__path__]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"The package {name} is not installed.", name=name)
    return list(spec.submodule_search_locations)


def _load(*names: str) -> Iterator[types.ModuleType]:
    with _placeholder_parents():
        modules = [importlib.import_module(name) for name in names]
    yield from modules


(
    tensor_pb2,
    types_pb2,
    example_pb2,
    config_pb2,
    saved_model_pb2,
    meta_graph_pb2,
    model_pb2,
    predict_pb2,
    classification_pb2,
    regression_pb2,
    inference_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    prediction_log_pb2,
    model_server_config_pb2,
    prediction_service_pb2_grpc,
    model_service_pb2_grpc,
) = _load(
    "tensorflow.core.framework.tensor_pb2",
    "tensorflow.core.framework.types_pb2",
    "tensorflow.core.example.example_pb2",
    "tensorflow.core.protobuf.config_pb2",
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow.core.protobuf.meta_graph_pb2",
    "tensorflow_serving.apis.model_pb2",
    "tensorflow_serving.apis.predict_pb2",
    "tensorflow_serving.apis.classification_pb2",
    "tensorflow_serving.apis.regression_pb2",
    "tensorflow_serving.apis.inference_pb2",
    "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow_serving.apis.model_management_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.config.model_server_config_pb2",
    "tensorflow_serving.apis.prediction_service_pb2_grpc",
    "tensorflow_serving.apis.model_service_pb2_grpc",
)
