"""A network that is cut in two: what is below the cut computes, what is above it learns.

The only module of the backend's programs that imports TensorFlow as a whole, for its gradients;
it is imported by the fine-tuning program alone. Everything runs on one core and in a fixed order,
so the same photos give the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from backend.training.features import Integers
from backend.training.fine_tuning.conditions import PASSES
from backend.training.fine_tuning.graph_cut import Bottlenecks, UpperPart, upper_part
from backend.training.head import Floats
from backend.training.loaded_version import UnreadableImages
from serving.errors import ModelError
from serving.tf.names import EMBEDDING_NODE

MAX_ACTIVATION = 20_000
"""Most numbers a photo at the cut; EfficientNet-Lite0 has 9,408 and Lite2 16,848 where the last 4
and 5 blocks learn."""
BATCH = 32
HEAD_FACTOR = 10.0
"""By how much faster the head learns than the network."""
SMOOTHING = 0.1
"""Share of each label that is spread over all classes."""
MIXED = 0.2
"""Of the beta distribution that says how much of another photo is mixed into each (mixup: Zhang
and others, 2018)."""
WEIGHT_DECAY = 1e-2
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises; it falls along a cosine after that."""
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_EMBEDDED_AT_ONCE = 64
_CHANNELS = 3


@dataclass(frozen=True)
class Recipe:
    """How a network learns; docs/decisions/fine-tuning.md says why so."""

    passes: int = PASSES
    """Over all photos, each time each photo or its mirror image."""
    learning_rate: float = 3e-4
    """The largest one."""


RECIPE = Recipe()
Weights = Mapping[str, Floats]
"""The constants that learn, by the names of their nodes."""
Activations = npt.NDArray[np.float16]
"""[2, N, ...]: at the cut, of each photo and of its mirror image."""


class LowerPart:
    """Computes what a version's network has of photos at the cut; chooses the cut."""

    def __init__(self, bottlenecks: Bottlenecks, jpeg: bytes) -> None:
        """Choose the cut by what the network computes of `jpeg`; raises ModelError."""
        self._photos = f"{bottlenecks.photos}:0"
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(bottlenecks.graph, name="")
        self._session = tf.compat.v1.Session(graph=graph, config=_one_core())
        tensors = [graph.get_tensor_by_name(f"{name}:0") for name in bottlenecks.nodes]
        floats = [tensor for tensor in tensors if tensor.dtype == tf.float32]
        with _refused():
            found = self._session.run(floats, {self._photos: [jpeg]})
        shapes = {tensor: value.shape[1:] for tensor, value in zip(floats, found, strict=True)}
        pixels = next((tensor for tensor in floats if _is_picture(shapes[tensor])), None)
        if pixels is None:
            raise ModelError(
                "The network of this model cannot be fine-tuned: it sees no pixels.",
                "Build a model on another network, and label photos for it.",
            )
        self._pixels = pixels
        after = floats[floats.index(pixels) :]
        last = [shapes[tensor] for tensor in after if tensor.op.type == "Conv2D"][-1:]
        # From where the network has come down to the resolution that it ends with.
        small = [
            tensor
            for tensor in after
            if last
            and shapes[tensor][:-1] == last[0][:-1]
            and np.prod(shapes[tensor]) <= MAX_ACTIVATION
        ]
        self._cut = small[0] if small else pixels
        self.shape: tuple[int, ...] = shapes[self._cut]
        """Of the activations of one photo."""
        self.upper = upper_part(bottlenecks, self._cut.op.name)
        self.weights: dict[str, Floats] = {}
        """What the weights above the cut are in the version."""
        nodes = {node.name: node for node in bottlenecks.graph.node}
        for name in self.upper.weights:
            self.weights[name] = tf.make_ndarray(nodes[name].attr["value"].tensor)

    def activations(self, jpegs: Sequence[bytes]) -> Activations:
        """Return [2, N, ...] for N whole JPEG files; raises ModelError if one is not decoded."""
        with _refused():
            pixels = self._session.run(self._pixels, {self._photos: list(jpegs)})
            both = [
                self._session.run(self._cut, {self._pixels: each})
                for each in (pixels, pixels[:, :, ::-1])
            ]
        found: Activations = np.stack(both).astype(np.float16)
        return found

    def close(self) -> None:
        """Give the memory of the network back."""
        self._session.close()


@dataclass(frozen=True)
class InitialHead:
    """What the upper part is trained with: logits are unit embeddings times `kernel` plus `bias`.

    [D, C] and [C].
    """

    kernel: Floats
    bias: Floats


@dataclass(frozen=True)
class TrainingData:
    """What is learned: activations [2, N, ...], the class of each photo, and which photos."""

    activations: Activations
    truth: Integers
    """[N]: from 0 to classes - 1."""
    classes: int
    recipe: Recipe


class TrainedPart:
    """The part above the cut, with weights of its own."""

    def __init__(self, upper: UpperPart, weights: Weights, head: InitialHead) -> None:
        tf.config.experimental.enable_op_determinism()
        self._upper = upper
        self._names = list(upper.weights)
        values = [*(weights[name] for name in self._names), head.kernel, head.bias]
        self._variables = [tf.Variable(value) for value in values]
        self._first = [tf.Variable(tf.zeros_like(value)) for value in values]
        self._second = [tf.Variable(tf.zeros_like(value)) for value in values]
        self._steps = 0
        self._embed = tf.function(self._embedded, autograph=False, reduce_retracing=True)
        self._learn = tf.function(self._step, autograph=False, reduce_retracing=True)

    @property
    def weights(self) -> dict[str, Floats]:
        return {
            name: variable.numpy()
            for name, variable in zip(self._names, self._variables, strict=False)
        }

    def embed(self, activations: Activations) -> Floats:
        """Return [N, D] for the activations [N, ...] of N photos."""
        parts = [
            self._embed(tf.constant(np.asarray(activations[start : start + _EMBEDDED_AT_ONCE])))
            for start in range(0, len(activations), _EMBEDDED_AT_ONCE)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def learn(
        self, data: TrainingData, chosen: Integers, on_batch: Callable[[int], None], seed: int = 0
    ) -> None:
        """Learn the `chosen` photos of `data`; `on_batch` gets how many each batch had."""
        generator = np.random.default_rng(seed)
        smooth = SMOOTHING / data.classes
        targets = np.eye(data.classes, dtype=np.float32) * (1 - SMOOTHING) + smooth
        steps = data.recipe.passes * -(-len(chosen) // BATCH)
        for _ in range(data.recipe.passes):
            for batch in _batches(generator.permutation(chosen)):
                mirrored = generator.integers(0, 2, len(batch))
                other = generator.permutation(len(batch))
                share = generator.beta(MIXED, MIXED)
                seen = data.activations[mirrored, batch].astype(np.float32)
                target = targets[data.truth[batch]]
                rate = data.recipe.learning_rate * _share(self._steps, steps)
                self._steps += 1
                self._learn(
                    tf.constant(share * seen + (1 - share) * seen[other], tf.float32),
                    tf.constant(share * target + (1 - share) * target[other], tf.float32),
                    tf.constant(rate, tf.float32),
                    tf.constant(self._steps, tf.float32),
                )
                on_batch(len(batch))

    def average_with(self, weights: Weights) -> None:
        """Take the mean of these weights and those that were learned."""
        for name, variable in zip(self._names, self._variables, strict=False):
            variable.assign((variable + weights[name]) / 2)

    def _embedded(self, activations: Any) -> Any:
        return self._compute_embedding(
            tf.cast(activations, tf.float32), [v.value() for v in self._variables]
        )

    def _compute_embedding(self, activations: Any, values: Sequence[Any]) -> Any:
        fed = {f"{name}:0": value for name, value in zip(self._names, values, strict=False)}
        fed[f"{self._upper.cut}:0"] = activations
        (embedding,) = tf.graph_util.import_graph_def(
            self._upper.graph,
            input_map=fed,
            return_elements=[f"{EMBEDDING_NODE}:0"],
        )
        return embedding

    def _step(self, activations: Any, targets: Any, rate: Any, number: Any) -> None:
        """Move all weights by one step of AdamW."""
        values = [variable.value() for variable in self._variables]
        embedding = self._compute_embedding(activations, values)
        logits = tf.math.l2_normalize(embedding, axis=1) @ values[-2] + values[-1]
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        # Not a GradientTape: it does not see the operations of a graph that is imported.
        gradients = tf.gradients(tf.reduce_mean(losses), values)
        moments = zip(self._variables, self._first, self._second, gradients, strict=True)
        for index, (variable, first, second, gradient) in enumerate(moments):
            first.assign(_BETA_1 * first + (1 - _BETA_1) * gradient)
            second.assign(_BETA_2 * second + (1 - _BETA_2) * tf.square(gradient))
            mean = first / (1 - tf.pow(_BETA_1, number))
            spread = tf.sqrt(second / (1 - tf.pow(_BETA_2, number)))
            move = mean / (spread + _EPSILON)
            of_head = index >= len(self._names)
            if not of_head and variable.shape.rank > 1:
                move += WEIGHT_DECAY * variable
            variable.assign_sub(rate * (HEAD_FACTOR if of_head else 1.0) * move)


def _share(step: int, steps: int) -> float:
    """Return the share of the largest learning rate with which a step is made."""
    warm = min(1.0, (step + 1) / (WARM_UP * steps + 1))
    return float(warm * 0.5 * (1 + np.cos(np.pi * step / steps)))


def _batches(chosen: Integers) -> Iterator[Integers]:
    for start in range(0, len(chosen), BATCH):
        yield chosen[start : start + BATCH]


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] == _CHANNELS and shape[0] == shape[1]


def _one_core() -> Any:
    return tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0}
    )


@contextmanager
def _refused() -> Iterator[None]:
    """Turn what TensorFlow raises into errors of ours."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        raise UnreadableImages(
            "A photo cannot be decoded.", "Label other photos, then fine-tune again."
        ) from error
    except tf.errors.OpError as error:
        raise ModelError(
            f"The network cannot be computed: {error.message}.",
            "Promote another version, then fine-tune again.",
        ) from error
