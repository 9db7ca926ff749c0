"""Writing a servable model: the graph that every version we export answers with.

One graph, tag `serve`, no variables. Decoding, resizing and scaling are inside
it, so that every client gets the same scores from the same bytes. Signatures:

- `predict_images` and `serving_default`: `images` string [N] (whole JPEG files)
  to `classes` string [N, k] and `scores` float [N, k], probabilities in falling
  order, k = min(20, number of classes);
- `embed`: the same input to `embedding` float [N, D].

The head is three constants under `HEAD_KERNEL`, `HEAD_BIAS` and `HEAD_CLASSES`,
so learning a new head rewrites three nodes and leaves the rest as it was. It
multiplies the embedding and, below it, the same embedding at unit length: what
the network was trained with needs the one, learning from few labels the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.models.warm_up import write_warmup
from serving.tf import names

TOP_K = 20
"""Most classes that one answer lists."""

_DECODE_RATIOS = (8, 4, 2)
_NEVER = -1e30
"""A logit that leaves no probability."""
_SPARE_DETAIL = 4
"""A photo is decoded at a reduced scale only while this many times the size that is
cut from remains. On EfficientNet-Lite2 that changes scores by 0.005 at most; with
twice the size remaining it would be up to 0.02."""


def decode_square(
    image: Any, side: int, zoom: float = 1.0, spare_detail: int = _SPARE_DETAIL
) -> Any:
    """Turn one JPEG file (a string tensor) into float pixels `[side, side, 3]`, 0 to 255.

    The shorter side is scaled to `zoom * side`, bicubic with antialiasing, the aspect ratio
    is kept and the middle is cut out. With a zoom of 1, an image of exactly that size is left
    as it is. Large photos are decoded at 1/2, 1/4 or 1/8 scale.
    """
    shape = tf.image.extract_jpeg_shape(image)
    shorter = tf.minimum(shape[0], shape[1])
    pixels = decode_reduced(image, shorter, spare_detail * side * zoom)
    size = tf.cast(tf.shape(pixels)[:2], tf.float32)
    scale = zoom * side / tf.reduce_min(size)
    batch = pixels[tf.newaxis]
    return scaled(batch, (side, side), tf.stack([scale, scale]), (side - size * scale) / 2)


def decode_reduced(image: Any, length: Any, enough: float) -> Any:
    """Decode one JPEG file at 1/2, 1/4 or 1/8 scale while its `length` stays at `enough` or more.

    Returns uint8 [height, width, 3].
    """

    def decode(ratio: int) -> Callable[[], Any]:
        return lambda: tf.io.decode_jpeg(
            image, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )

    choice = tf.reduce_sum(
        [
            tf.cast(tf.cast(length, tf.float32) >= enough * ratio, tf.int32)
            for ratio in _DECODE_RATIOS
        ]
    )
    pixels = tf.switch_case(choice, [decode(1), *(decode(r) for r in reversed(_DECODE_RATIOS))])
    return tf.ensure_shape(pixels, [None, None, 3])


def scaled(batch: Any, size: tuple[int, int], scale: Any, translation: Any) -> Any:
    """Return float pixels `[*size, 3]`, 0 to 255, of an image that is scaled, then moved.

    `batch` is the image alone, `[1, height, width, 3]`; `scale` and `translation` are float [2].
    Bicubic with antialiasing; what the image does not cover is 0.
    """
    # One operation that computes no pixel outside of the result.
    result = tf.raw_ops.ScaleAndTranslate(
        images=batch,
        size=list(size),
        scale=scale,
        translation=translation,
        kernel_type="keyscubic",
        antialias=True,
    )[0]
    return tf.ensure_shape(tf.clip_by_value(result, 0.0, 255.0), [*size, 3])


def write_servable(
    folder: Path,
    *,
    side: int,
    embed: Callable[[Any], Any],
    head_kernel: np.ndarray,
    head_bias: np.ndarray,
    classes: Sequence[str],
    zoom: float = 1.0,
) -> None:
    """Write `saved_model.pb` and the warm-up records into `folder`.

    `embed` maps float pixels `[N, side, side, 3]` of 0 to 255 to an embedding
    `[N, D]`, using constants only. `head_kernel` is `[2 D, C]`, or `[D, C]` if only
    the raw embedding counts; `head_bias` is `[C]`. C may be 0. `zoom` is that of
    `decode_square`.
    """
    write_graph(
        folder,
        embed=lambda images: embed(
            decoded(images, lambda image: decode_square(image, side, zoom), (side, side, 3))
        ),
        head_kernel=head_kernel,
        head_bias=head_bias,
        classes=classes,
    )


def decoded(images: Any, decode: Callable[[Any], Any], shape: tuple[int, int, int]) -> Any:
    """Return what `decode` makes of each of N JPEG files: float pixels [N, *shape]."""
    return tf.map_fn(
        decode,
        images,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
        parallel_iterations=32,
    )


def write_graph(
    folder: Path,
    *,
    embed: Callable[[Any], Any],
    head_kernel: np.ndarray,
    head_bias: np.ndarray,
    classes: Sequence[str],
    exclusive: bool = True,
) -> None:
    """Write a servable as `write_servable` does, whose `embed` maps JPEG files `[N]`.

    Unless the classes are `exclusive`, the score of each is its logit's sigmoid, until the head
    is taught (`names.SEPARATE_SCORES_NODE`).
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.string, [None], name=names.IMAGES)
        embedding = tf.identity(embed(images), names.EMBEDDING_NODE)
        both = tf.concat([embedding, tf.math.l2_normalize(embedding, axis=1)], axis=1)
        if len(head_kernel) == embedding.shape[1]:
            head_kernel = np.concatenate([head_kernel, np.zeros_like(head_kernel)])
        kernel = tf.constant(head_kernel, tf.float32, name=names.HEAD_KERNEL)
        bias = tf.constant(head_bias, tf.float32, name=names.HEAD_BIAS)
        labels = tf.constant(list(classes), tf.string, name=names.HEAD_CLASSES)
        # A head may be rewritten with another number of classes: no shape of it
        # may be baked into the nodes behind it.
        kernel, bias, labels = (_of_unknown_width(part) for part in (kernel, bias, labels))
        products = tf.linalg.matmul(both, kernel)
        # One more class, whose probability is exactly 0: without it, a head of no classes
        # would end the process in oneDNN's fused product and softmax of empty tensors.
        products = tf.pad(products, [[0, 0], [0, 1]])
        logits = products + tf.concat([bias, [_NEVER]], axis=0)
        if exclusive:
            scores = tf.nn.softmax(logits)
        else:
            scores = tf.math.sigmoid(logits, names.SEPARATE_SCORES_NODE)
        top = tf.math.top_k(scores, tf.minimum(TOP_K, tf.shape(bias)[0]))
        answers = {
            names.CLASSES: tf.gather(labels, top.indices, name=names.CLASSES_NODE),
            names.SCORES: tf.identity(top.values, names.SCORES_NODE),
        }
        predict = tf.compat.v1.saved_model.predict_signature_def({names.IMAGES: images}, answers)
        embedding_signature = tf.compat.v1.saved_model.predict_signature_def(
            {names.IMAGES: images}, {names.EMBEDDING: embedding}
        )
        builder = tf.compat.v1.saved_model.Builder(str(folder / "export"))
        builder.add_meta_graph_and_variables(
            session,
            [names.SERVE_TAG],
            signature_def_map={
                names.CLASSIFY_SIGNATURE: predict,
                names.DEFAULT_SIGNATURE: predict,
                names.EMBED_SIGNATURE: embedding_signature,
            },
            strip_default_attrs=True,
        )
        builder.save()
    export = folder / "export"
    (export / names.SAVED_MODEL_FILE).rename(folder / names.SAVED_MODEL_FILE)
    (export / names.VARIABLES_FOLDER).rmdir()
    export.rmdir()
    write_warmup(folder)


def _of_unknown_width(constant: Any) -> Any:
    shape = [*constant.shape.as_list()[:-1], None]
    return tf.compat.v1.placeholder_with_default(constant, shape)
