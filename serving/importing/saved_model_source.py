"""Loads SavedModels of TensorFlow 1 and 2, which are programs, after a look at what they can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serving.errors import ModelError
from serving.importing.interface import Channels, InputKind, ModelFormat, ValueRange
from serving.importing.model_file import ModelFile
from serving.importing.saved_model_trust import check_saved_model
from serving.importing.source import Hints, NoClassifier, Source, check_input, check_output
from serving.models.freezing import fold_batch_norms, node_name
from serving.tf.names import DEFAULT_SIGNATURE, SERVE_TAG

_OUTPUTS = ("scores", "probabilities", "predictions", "confidences", "softmax", "probs", "prob",
            "final_result", "logits", "output")  # fmt: skip
"""Which of several outputs is taken, by what its name begins with; the first that there is."""
_DECODERS = ("DecodeJpeg", "DecodeImage", "DecodeAndCropJpeg", "DecodePng")
_STATE = (
    "VarHandleOp",
    "VariableV2",
    "Variable",
    "HashTableV2",
    "MutableHashTableV2",
    "Placeholder",
)
_ADVICE = "Choose a model that classifies images."


@dataclass(frozen=True)
class _Usable:
    """One signature that takes one photo."""

    name: str
    function: Any
    input_name: str
    output_name: str
    takes: InputKind


def load_saved_model(file: ModelFile, signature: str | None, *, trusted: bool) -> Source:
    """Load a SavedModel, or the newest version of a serving folder.

    `signature` names which of its signatures is meant; by default the first that classifies one
    photo. Raises UntrustedModel, NoClassifier, or another ModelError.
    """
    folder = file.path
    if file.format is ModelFormat.SERVING_FOLDER:
        folder /= str(file.versions[-1])
    check_saved_model(folder, trusted=trusted)
    try:
        loaded = tf.saved_model.load(str(folder), tags=[SERVE_TAG])
    except (
        tf.errors.OpError,
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        AttributeError,
    ) as error:
        text = " ".join(str(error).split())[:300]
        raise ModelError(
            f"TensorFlow cannot load {file.name}: {text}", "Save the model again."
        ) from error
    usable = _usable(loaded.signatures)
    chosen = next((each for each in usable if each.name == signature), None)
    if signature is None:
        chosen = next((each for each in usable if each.name == DEFAULT_SIGNATURE), usable[0])
    if chosen is None:
        names = ", ".join(each.name for each in usable)
        raise NoClassifier(
            f"{file.name} has no signature {signature} that classifies a photo.",
            f"Choose one of these: {names}.",
        )
    return _source(file, folder, loaded, chosen, tuple(each.name for each in usable))


def _usable(signatures: Mapping[str, Any]) -> list[_Usable]:
    """Return the signatures that turn one photo into scores; raises NoClassifier without any."""
    found: list[_Usable] = []
    refused: NoClassifier | None = None
    # TensorFlow lists them in an order that differs from process to process.
    for name, function in sorted(signatures.items()):
        if name.startswith("__"):
            continue
        try:
            found.append(_checked(name, function))
        except NoClassifier as error:
            if refused is None or name == DEFAULT_SIGNATURE:
                refused = error
    if found:
        return found
    raise refused or NoClassifier(
        "The SavedModel has no signatures, which say what a model takes and gives.",
        "Save it with `model.export(FOLDER)`, or with `signatures=`.",
    )


def _checked(name: str, function: Any) -> _Usable:
    _, inputs = function.structured_input_signature
    if len(inputs) != 1:
        raise NoClassifier(
            f"The signature {name} takes {len(inputs)} inputs; a photo is one.", _ADVICE
        )
    ((input_name, spec),) = inputs.items()
    takes = check_input(spec.dtype.name, _shape(spec.shape))
    if takes is InputKind.JPEG and not any(node.op in _DECODERS for node in _nodes(function)):
        raise NoClassifier(
            f"The signature {name} takes texts or records, and decodes no photo of them.", _ADVICE
        )
    output_name = _output(name, function.structured_outputs)
    return _Usable(name, function, input_name, output_name, takes)


def _output(signature: str, outputs: Mapping[str, Any]) -> str:
    """Return the name of the output that has the scores; raises NoClassifier without any."""
    found, refused = [], None
    for name, spec in sorted(outputs.items()):
        if not spec.dtype.is_floating:
            continue
        try:
            check_output(_squeezed(_shape(spec.shape)))
            found.append(name)
        except NoClassifier as error:
            refused = error
    if not found:
        raise refused or NoClassifier(f"The signature {signature} gives no scores.", _ADVICE)

    def rank(name: str) -> int:
        known = (at for at, start in enumerate(_OUTPUTS) if name.casefold().startswith(start))
        return next(known, len(_OUTPUTS))

    return min(found, key=rank)


def _source(
    file: ModelFile, folder: Path, loaded: Any, chosen: _Usable, choices: tuple[str, ...]
) -> Source:
    constant = convert_variables_to_constants_v2(chosen.function, lower_control_flow=False)
    output = _frozen_output(constant, chosen)
    graph = fold_batch_norms(constant.graph.as_graph_def(), node_name(output))
    input_name = constant.inputs[0].name
    left = sorted(
        {node.op for node in graph.node if node.op in _STATE and node.name != node_name(input_name)}
    )
    if left:
        raise NoClassifier(
            f"The scores depend on more than the photo and the weights, by {', '.join(left)}.",
            _ADVICE,
        )
    spec = chosen.function.structured_input_signature[1][chosen.input_name]
    shape = _shape(chosen.function.structured_outputs[chosen.output_name].shape)

    def run(batch: Any) -> Any:
        # The variables live as long as what they were loaded with.
        assert loaded is not None
        values = chosen.function(**{chosen.input_name: tf.constant(batch)})[chosen.output_name]
        return np.asarray(values).reshape(len(batch) if np.ndim(batch) else 1, -1)

    return Source(
        format=file.format,
        graph=graph,
        input=input_name,
        output=output,
        takes=chosen.takes,
        shape=_shape(spec.shape),
        output_shape=_squeezed(shape),
        run=run,
        signature=chosen.name,
        choices=choices,
        hints=_hints(file, folder),
    )


def _frozen_output(constant: Any, chosen: _Usable) -> str:
    """Return the tensor of a frozen function that is the chosen output: they keep their order."""
    names = list(tf.nest.flatten({name: name for name in chosen.function.structured_outputs}))
    return str(constant.outputs[names.index(chosen.output_name)].name)


def _hints(file: ModelFile, folder: Path) -> Hints:
    if file.format is ModelFormat.LOBE:
        return Hints(ValueRange.UNIT, Channels.RGB, stated=True, description=_lobe_name(folder))
    return Hints()


def _lobe_name(folder: Path) -> str:
    raw = json.loads((folder / "signature.json").read_bytes())
    name = raw.get("doc_name")
    return f"Lobe's model {name}." if isinstance(name, str) else ""


def _nodes(function: Any) -> Iterator[Any]:
    graph = function.graph.as_graph_def()
    yield from graph.node
    for each in graph.library.function:
        yield from each.node_def


def _shape(shape: Any) -> tuple[int | None, ...]:
    return tuple(shape.as_list()) if shape.rank is not None else (None,) * 9


def _squeezed(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """[N, 1, 1, C] and, of a model that takes one photo, [C], as [N, C]."""
    if len(shape) == 4 and shape[1:3] == (1, 1):
        return (shape[0], shape[3])
    return (1, *shape) if len(shape) == 1 else shape
