"""Writes the models that the server's tests load: `python -m ... FOLDER`.

Runs in a process of its own, since it takes all of TensorFlow. Each model is a folder
with version folders in it, like those that the original's own tests use.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

tf1 = tf.compat.v1
builder = tf1.saved_model.builder
utils = tf1.saved_model.utils
signature_def = tf1.saved_model.signature_def_utils


def half_plus(folder: Path, addend: float) -> None:
    """A graph with variables, an asset, and predict, classify and regress signatures."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        a = tf1.get_variable("a", initializer=0.5, use_resource=False)
        b = tf1.get_variable("b", initializer=addend, use_resource=False)
        examples = tf1.placeholder(tf.string, name="tf_example")
        features = tf1.parse_example(
            examples,
            {
                "x": tf1.FixedLenFeature([1], tf.float32),
                "x2": tf1.FixedLenFeature([1], tf.float32, default_value=[0.0]),
            },
        )
        x = tf.identity(features["x"], name="x")
        x2 = tf.identity(features["x2"], name="x2")
        y = tf.add(a * x, b, name="y")
        y2 = tf.add(a * x, 3.0, name="y2")
        y3 = tf.add(a * x2, 3.0, name="y3")
        labels = tf.identity(tf1.as_string(y), name="labels")
        asset = folder.parent.parent / "foo.txt"
        asset.write_text("asset-file-contents")
        name = tf1.constant(str(asset), name="filename")
        tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, name)
        contents = tf1.io.read_file(name)
        session.run(tf1.global_variables_initializer())

        def predict(
            inputs: dict[str, Any], outputs: dict[str, Any], method: str = "predict"
        ) -> Any:
            return signature_def.build_signature_def(
                {key: utils.build_tensor_info(value) for key, value in inputs.items()},
                {key: utils.build_tensor_info(value) for key, value in outputs.items()},
                f"tensorflow/serving/{method}",
            )

        writer = builder.SavedModelBuilder(str(folder))
        writer.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": predict({"x": x}, {"y": y}),
                "two_outputs": predict({"x": x}, {"y": y, "y2": y2}),
                "with_asset": predict({"x": x}, {"y": y, "asset": contents}),
                "regress_x_to_y": signature_def.regression_signature_def(examples, y),
                "regress_x_to_y2": signature_def.regression_signature_def(examples, y2),
                "regress_x2_to_y3": predict({"inputs": x2}, {"outputs": y3}, "regress"),
                "classify_x_to_y": signature_def.classification_signature_def(examples, labels, y),
                "classify_scores": signature_def.classification_signature_def(examples, None, y),
            },
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
        )
        writer.save()


class HalfPlusTwo(tf.Module):
    """The same, as TensorFlow 2 writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.a = tf.Variable(0.5, name="a")
        self.b = tf.Variable(2.0, name="b")

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
    def predict(self, x: Any) -> dict[str, Any]:
        return {"y": self.a * x + self.b}


class Lookup(tf.Module):
    """A table initialised from an asset: it answers only after the init operation ran."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.vocabulary = tf.saved_model.Asset(str(vocabulary))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                self.vocabulary,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def predict(self, words: Any) -> dict[str, Any]:
        return {"numbers": self.table.lookup(words)}


class Counter(tf.Module):
    """Remembers between calls; some signatures take no input at all."""

    def __init__(self) -> None:
        super().__init__()
        self.value = tf.Variable(0.0)

    @tf.function(input_signature=[])
    def get(self) -> dict[str, Any]:
        return {"output": self.value.read_value()}

    @tf.function(input_signature=[])
    def increment(self) -> dict[str, Any]:
        return {"output": self.value.assign_add(1.0)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="delta")])
    def increment_by(self, delta: Any) -> dict[str, Any]:
        return {"output": self.value.assign_add(delta)}

    @tf.function(input_signature=[])
    def reset(self) -> dict[str, Any]:
        return {"output": self.value.assign(0.0)}


ECHOED = (
    tf.float32, tf.float64, tf.float16, tf.bfloat16,
    tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.uint32, tf.uint64,
    tf.bool, tf.string, tf.complex64, tf.complex128,
)  # fmt: skip


class Odds(tf.Module):
    """Signatures for one thing each: types, many inputs, batches, slowness, failure."""

    def __init__(self) -> None:
        super().__init__()
        self.text = tf.Variable(b"", shape=[])
        self.numbers = tf.Variable([0.0], shape=[None])

    @tf.function(
        input_signature=[
            tf.TensorSpec([], tf.string, name="text"),
            tf.TensorSpec([None], tf.float32, name="numbers"),
        ]
    )
    def remember(self, text: Any, numbers: Any) -> dict[str, Any]:
        self.text.assign(text)
        self.numbers.assign(numbers)
        return {"done": tf.constant(True)}

    @tf.function(input_signature=[])
    def recall(self) -> dict[str, Any]:
        return {"text": self.text.read_value(), "numbers": self.numbers.read_value()}

    @tf.function(
        input_signature=[tf.TensorSpec(None, dtype, name=f"in_{dtype.name}") for dtype in ECHOED]
    )
    def echo(self, *values: Any) -> dict[str, Any]:
        return {
            f"out_{dtype.name}": tf.identity(value)
            for dtype, value in zip(ECHOED, values, strict=True)
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="a"),
            tf.TensorSpec([None], tf.int64, name="b"),
            tf.TensorSpec([None], tf.string, name="c"),
        ]
    )
    def mixed(self, a: Any, b: Any, c: Any) -> dict[str, Any]:
        return {
            "sum": tf.reduce_sum(a, axis=1) + tf.cast(b, tf.float32),
            "joined_bytes": tf.strings.join([c, tf.strings.as_string(b)], "-"),
            "flags": b > 1,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def batch(self, x: Any) -> dict[str, Any]:
        return {"rows": tf.fill(tf.shape(x), tf.shape(x)[0]), "x": x * 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="steps")])
    def slow(self, steps: Any) -> dict[str, Any]:
        work = tf.fill([200, 200], 0.001)
        for _ in tf.range(tf.reduce_max(steps)):
            work = tf.linalg.matmul(work, work)
        return {"done": tf.cast(steps, tf.float32) + 0.0 * work[0, 0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def number(self, text: Any) -> dict[str, Any]:
        return {"value": tf.strings.to_number(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs: Any) -> dict[str, Any]:
        return {"outputs": self.x_of(inputs) + 1.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: Any) -> dict[str, Any]:
        return {"scores": self.x_of(inputs) * 2.0}

    @staticmethod
    def x_of(examples: Any) -> Any:
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")])
    def images(self, images: Any) -> dict[str, Any]:
        return {
            "scores": tf.strings.to_number(images)[:, tf.newaxis],
            "rows": tf.fill([tf.shape(images)[0], 1], tf.shape(images)[0]),
        }


def main(folder: Path) -> None:
    for name, addend, version in (
        ("half_plus_two", 2.0, "00000123"),
        ("half_plus_three", 3.0, "00000124"),
    ):
        (folder / name).mkdir(parents=True)
        half_plus(folder / name / version, addend)
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text("zero\none\ntwo\n")
    half, counter, odds = HalfPlusTwo(), Counter(), Odds()
    lookup = Lookup(vocabulary)
    tf.saved_model.save(half, str(folder / "half_plus_two_2" / "123"), half.predict)
    tf.saved_model.save(lookup, str(folder / "lookup" / "1"), lookup.predict)
    tf.saved_model.save(
        counter,
        str(folder / "counter" / "1"),
        {
            "get_counter": counter.get,
            "incr_counter": counter.increment,
            "incr_counter_by": counter.increment_by,
            "reset_counter": counter.reset,
        },
    )
    tf.saved_model.save(
        odds,
        str(folder / "odds" / "1"),
        {
            "echo": odds.echo,
            "mixed": odds.mixed,
            "batch": odds.batch,
            "slow": odds.slow,
            "number": odds.number,
            "remember": odds.remember,
            "recall": odds.recall,
            "regress": odds.regress,
            "classify": odds.classify,
            "predict_images": odds.images,
            "serving_default": odds.batch,
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
