"""Looks through the description of a Keras model before Keras does, and runs nothing of it.

Keras's own safe mode refuses Python code in a file. A description can do more: name any class of
any installed package, files to read vocabularies from, other models to load. So only layers and
what belongs to them is let through, by module, and among the layers only those that compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.importing.source import NoClassifier

MAX_CONFIG_BYTES = 2**26
_MAX_PARTS = 2_000_000
_MODULES = (
    *("keras", "keras.layers", "keras.models", "keras.activations", "keras.initializers"),
    *("keras.regularizers", "keras.constraints", "keras.dtype_policies", "keras.ops"),
    *("keras.src.layers", "keras.src.models", "keras.src.activations", "keras.src.initializers"),
    *("keras.src.regularizers", "keras.src.constraints", "keras.src.dtype_policies"),
    *("keras.src.ops", "keras.src.engine", "keras.engine"),
)
"""Modules of Keras, with those below, whose classes a description may name."""
_REFUSED = {
    "Lambda": "Python code in it, in a Lambda layer",
    "TFSMLayer": "another model in it, which is read from a path",
    "TorchModuleWrapper": "a module of PyTorch in it",
    "FlaxLayer": "Python code of Flax in it",
    "JaxLayer": "Python code of JAX in it",
    "TextVectorization": "a layer that reads texts in it",
    "StringLookup": "a layer that reads texts in it",
    "HashedCrossing": "a layer for tables in it",
}
_ENCODED = frozenset(
    f"__{kind}__"
    for kind in (
        *("bytes", "numpy", "tensor", "keras_tensor", "ellipsis", "tuple", "slice", "complex"),
    )
)
"""Values that Keras 3 writes as objects."""
_ADVICE = (
    "Build the model of Keras's own layers, or save it as a SavedModel with `model.export(FOLDER)`."
)


def check_config(config: Any) -> None:
    """Raise NoClassifier if a parsed description names what Servery does not let Keras make."""
    for part in _objects(config):
        name = part.get("class_name")
        if not isinstance(name, str):
            continue
        if name in _REFUSED:
            raise NoClassifier(
                f"The model has {_REFUSED[name]}, and loading runs nothing from the file.", _ADVICE
            )
        if name.startswith("__") and name not in _ENCODED:
            raise NoClassifier(
                f"The model has a value of the kind {_printable(name)} in it, which can be code.",
                _ADVICE,
            )
        registered = part.get("registered_name")
        module = part.get("module")
        if isinstance(registered, str) and ">" in registered:
            raise _custom(registered)
        if isinstance(module, str) and not _is_of_keras(module):
            raise _custom(f"{module}.{name}")
        if module is None and "registered_name" in part and name not in _ENCODED:
            raise _custom(name)


def adapt_to_keras_3(config: Any) -> bool:
    """Change in a description what Keras 2 wrote and Keras 3 misreads; says if there was any.

    Depthwise convolutions say into how many groups they divide their channels, which such a layer
    knows. A first layer says what it takes with the batch, which is taken for one more axis. A
    model with one input or output has it in a list, from which Keras 3 makes a list of
    one tensor that no layer takes.
    """
    changed = False
    for part in _objects(config):
        inner = part.get("config")
        if not isinstance(inner, dict):
            continue
        kind = part.get("class_name")
        if kind in ("DepthwiseConv2D", "DepthwiseConv1D") and inner.get("groups") == 1:
            del inner["groups"]
            changed = True
        shape = inner.get("batch_input_shape")
        if kind != "InputLayer" and isinstance(shape, list):
            del inner["batch_input_shape"]
            inner["input_shape"] = shape[1:]
            changed = True
        for side in ("input_layers", "output_layers"):
            ends = inner.get(side)
            if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list):
                inner[side] = ends[0]
                changed = True
    return changed


def layer_names(config: Any) -> set[str]:
    """Return what layers and models in a description are called."""
    names = {part.get("name") for part in _objects(config)}
    return {name for name in names if isinstance(name, str)}


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in parsed JSON; raises NoClassifier for one without an end."""
    waiting, seen = [config], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > _MAX_PARTS:
            raise NoClassifier("The description of the model is too long.", _ADVICE)
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _is_of_keras(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in _MODULES[1:]) or (
        module == _MODULES[0]
    )


def _custom(name: str) -> NoClassifier:
    return NoClassifier(
        f"The model uses a class of its own, {_printable(name)}, whose code is not in the file.",
        _ADVICE,
    )


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[:100]
