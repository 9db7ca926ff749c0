"""A source behind the pixels: the same arithmetic to write it, to preview it and to compare it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from serving.errors import ModelError
from serving.importing.head_split import MIN_SCORE, HeadSplit, split_head
from serving.importing.interface import InputKind, Interface, OutputKind
from serving.importing.pixels import decode_photo, input_size, network_input
from serving.importing.source import Source
from serving.models.freezing import function_of, node_name
from serving.models.servable import decoded


class Network:
    """A source, and what a person says that it takes and gives."""

    def __init__(self, source: Source, interface: Interface) -> None:
        self._source, self._interface = source, interface

    def embedding_function(self) -> tuple[Callable[[Any], Any], HeadSplit]:
        """Return what maps JPEG files [N] to embeddings [N, D], of constants, and the head."""
        source = self._source
        width = source.output_shape[1]
        assert width is not None
        split = split_head(source.graph, source.output, width, self._interface.gives)
        kept = tf.compat.v1.graph_util.extract_sub_graph(source.graph, [node_name(split.tensor)])
        tensor = split.tensor if ":" in split.tensor else f"{split.tensor}:0"
        network = function_of(kept, source.input, tensor)
        size = len(split.kernel)

        def embed(values: Any) -> Any:
            found = network(values)
            if split.mean_over_plane:
                found = tf.reduce_mean(found, axis=[1, 2])
            if split.logarithm:
                found = tf.math.log(tf.maximum(found, MIN_SCORE))
            return tf.reshape(found, [-1, size])

        def of_files(images: Any) -> Any:
            values = images if source.takes is InputKind.JPEG else self._pixels(images)
            if not source.one_at_a_time:
                return embed(values)

            def one(value: Any) -> Any:
                return embed(value[tf.newaxis] if source.shape else value)[0]

            spec = tf.TensorSpec([size], tf.float32)
            return tf.map_fn(one, values, fn_output_signature=spec)

        return of_files, split

    def reference(self, photos: Sequence[bytes]) -> Any:
        """Return what the source itself gives for JPEG files, float [N, width].

        Raises ModelError if it fails.
        """
        try:
            batches = [self._batch(photo) for photo in photos]
            if self._source.one_at_a_time:
                rows = [self._source.run(batch) for batch in batches]
            else:
                rows = [self._source.run(np.concatenate(batches))]
        except (tf.errors.OpError, ValueError, TypeError) as error:
            text = " ".join(str(error).split())[:300]
            raise ModelError(
                f"The model does not answer for a photo: {text}",
                "Check what it takes, above all the size of its input.",
            ) from error
        return np.concatenate(
            [np.asarray(each, np.float32).reshape(-1, each.shape[-1]) for each in rows]
        )

    def scores(self, values: Any) -> Any:
        """Return scores [N, C] for what the source gives, float [N, width]."""
        if self._interface.gives is OutputKind.LOGITS:
            if values.shape[1] == 1:
                values = np.concatenate([np.zeros_like(values), values], axis=1)
            exponentials = np.exp(values - values.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True)
        return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values

    def _batch(self, photo: bytes) -> Any:
        if self._source.takes is InputKind.JPEG:
            return np.array([photo], object) if self._source.shape else np.array(photo, object)
        pixels = decode_photo(tf.constant(photo), self._interface)
        return network_input(pixels[tf.newaxis], self._interface).numpy()

    def _pixels(self, images: Any) -> Any:
        shape = (*input_size(self._interface), 3)
        photos = decoded(images, lambda image: decode_photo(image, self._interface), shape)
        return network_input(photos, self._interface)
