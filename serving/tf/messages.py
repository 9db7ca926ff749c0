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


with _placeholder_parents():
    from tensorflow.core.example import example_pb2 as example_pb2
    from tensorflow.core.framework import tensor_pb2 as tensor_pb2
    from tensorflow.core.framework import types_pb2 as types_pb2
    from tensorflow.core.protobuf import config_pb2 as config_pb2
    from tensorflow.core.protobuf import meta_graph_pb2 as meta_graph_pb2
    from tensorflow.core.protobuf import saved_model_pb2 as saved_model_pb2
    from tensorflow_serving.apis import classification_pb2 as classification_pb2
    from tensorflow_serving.apis import get_model_metadata_pb2 as get_model_metadata_pb2
    from tensorflow_serving.apis import get_model_status_pb2 as get_model_status_pb2
    from tensorflow_serving.apis import inference_pb2 as inference_pb2
    from tensorflow_serving.apis import model_management_pb2 as model_management_pb2
    from tensorflow_serving.apis import model_pb2 as model_pb2
    from tensorflow_serving.apis import model_service_pb2_grpc as model_service_pb2_grpc
    from tensorflow_serving.apis import predict_pb2 as predict_pb2
    from tensorflow_serving.apis import prediction_log_pb2 as prediction_log_pb2
    from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction_service_pb2_grpc
    from tensorflow_serving.apis import regression_pb2 as regression_pb2
    from tensorflow_serving.config import model_server_config_pb2 as model_server_config_pb2
