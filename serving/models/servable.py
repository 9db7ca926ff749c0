"""Writing a servable model: the graph that every version we export answers with.

One graph, tag `serve`, no variables. Decoding, resizing and scaling are inside
it, so that every client gets the same scores from the same bytes. Signatures:

- `predict_images` and `serving_default`: `images` string [N] (whole JPEG files)
  to `classes` string [N, k] and `scores` float [N, k], probabilities in falling
  order, k = min(20, number of classes);
- `embed`: the same input to `embedding` float [N, D].

The head is three constants under `HEAD_KERNEL`, `HEAD_BIAS` and `HEAD_CLASSES`,
so learning a new head rewrites three nodes and leaves the rest as it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.tf import names

TOP_K = 20
"""Most classes that one answer lists."""

_DECODE_RATIOS = (8, 4, 2)
_SPARE_DETAIL = 4
"""A photo is decoded at a reduced scale only while this many times the model's
side remains. On the reference network that changes scores by less than 0.005;
with twice the side remaining it would be up to 0.03."""


def decode_square(image: Any, side: int, spare_detail: int = _SPARE_DETAIL) -> Any:
    """Turn one JPEG file (a string tensor) into float pixels `[side, side, 3]`, 0 to 255.

    The shorter side is scaled to `side` with antialiasing, the aspect ratio is
    kept and the middle square is cut out. An image of exactly that size is left
    as it is. Large photos are decoded at 1/2, 1/4 or 1/8 scale.
    """
    shape = tf.image.extract_jpeg_shape(image)
    shorter = tf.minimum(shape[0], shape[1])

    def decode(ratio: int) -> Callable[[], Any]:
        return lambda: tf.io.decode_jpeg(
            image, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )

    choice = tf.reduce_sum(
        [tf.cast(shorter >= spare_detail * side * ratio, tf.int32) for ratio in _DECODE_RATIOS]
    )
    pixels = tf.switch_case(choice, [decode(1), *(decode(r) for r in reversed(_DECODE_RATIOS))])
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    height, width = tf.unstack(tf.shape(pixels)[:2])
    edge = tf.minimum(height, width)
    square = pixels[
        (height - edge) // 2 : (height - edge) // 2 + edge,
        (width - edge) // 2 : (width - edge) // 2 + edge,
    ]
    resized = tf.image.resize(square, [side, side], method="bilinear", antialias=True)
    return tf.ensure_shape(tf.clip_by_value(resized, 0.0, 255.0), [side, side, 3])


def write_servable(
    folder: Path,
    *,
    side: int,
    embed: Callable[[Any], Any],
    head_kernel: np.ndarray,
    head_bias: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Write `saved_model.pb` and the warm-up records into `folder`.

    `embed` maps float pixels `[N, side, side, 3]` of 0 to 255 to an embedding
    `[N, D]`, using constants only. `head_kernel` is `[D, C]`, `head_bias` `[C]`.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.string, [None], name=names.IMAGES)
        pixels = tf.map_fn(
            lambda image: decode_square(image, side),
            images,
            fn_output_signature=tf.TensorSpec([side, side, 3], tf.float32),
            parallel_iterations=32,
        )
        embedding = tf.identity(embed(pixels), names.EMBEDDING_NODE)
        kernel = tf.constant(head_kernel, tf.float32, name=names.HEAD_KERNEL)
        bias = tf.constant(head_bias, tf.float32, name=names.HEAD_BIAS)
        labels = tf.constant(list(classes), tf.string, name=names.HEAD_CLASSES)
        # A head may be rewritten with another number of classes: no shape of it
        # may be baked into the nodes behind it.
        kernel, bias, labels = (_of_unknown_width(part) for part in (kernel, bias, labels))
        probabilities = tf.nn.softmax(tf.linalg.matmul(embedding, kernel) + bias)
        top = tf.math.top_k(probabilities, tf.minimum(TOP_K, tf.shape(bias)[0]))
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
    (export / "variables").rmdir()
    export.rmdir()
    write_warmup(folder)


def write_warmup(folder: Path) -> None:
    """Write warm-up records for lone requests and for batches of both signatures."""
    path = folder / names.WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.add.outer(np.arange(240), np.arange(320)) % 256
    picture = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, count in (
            (names.CLASSIFY_SIGNATURE, 1),
            (names.CLASSIFY_SIGNATURE, 8),
            (names.EMBED_SIGNATURE, 1),
        ):
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[names.IMAGES].CopyFrom(
                tf.make_tensor_proto([jpeg.getvalue()] * count, tf.string)
            )
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def _of_unknown_width(constant: Any) -> Any:
    shape = [*constant.shape.as_list()[:-1], None]
    return tf.compat.v1.placeholder_with_default(constant, shape)
