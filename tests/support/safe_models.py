"""Writes models as people have them, which only compute: `python -m tests.support.safe_models DIR`.

In a process of its own, since it takes all of TensorFlow. Each is a version folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


def keras_export(folder: Path) -> None:
    """A small network with batch normalization and dropout, trained for a step."""
    network = tf.keras.Sequential(
        [
            tf.keras.layers.Input((8, 8, 3)),
            tf.keras.layers.RandomFlip(),
            tf.keras.layers.Conv2D(4, 3),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.Dropout(0.5),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(2, activation="softmax"),
        ]
    )
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(np.zeros((4, 8, 8, 3)), np.zeros(4), verbose=0)
    network.export(str(folder), verbose=False)


def saved_network(folder: Path) -> None:
    """A recurrent network, with its optimizer, as `tf.saved_model.save` writes it."""
    network = tf.keras.Sequential(
        [
            tf.keras.layers.Input((None,)),
            tf.keras.layers.Embedding(10, 4),
            tf.keras.layers.LSTM(4),
            tf.keras.layers.Dense(1),
        ]
    )
    network.compile("adam", "mse")
    network.fit(np.zeros((4, 3)), np.zeros(4), verbose=0)
    tf.saved_model.save(network, str(folder))


class _Words(tf.Module):
    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        rows = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticVocabularyTable(rows, num_oov_buckets=1)
        self.weight = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def look_up(self, words: Any) -> dict[str, Any]:
        tf.print("words", words, output_stream=sys.stderr)
        tf.debugging.assert_rank(words, 1)
        numbers = self.table.lookup(words)
        return {"numbers": tf.cast(numbers, tf.float32) * self.weight}


def words(folder: Path) -> None:
    """TensorFlow 2: a table whose words are in an asset, and a variable."""
    vocabulary = folder.parent / "words.txt"
    vocabulary.write_text("zero\none\n")
    module = _Words(vocabulary)
    tf.saved_model.save(module, str(folder), module.look_up)


def words_of_tf1(folder: Path) -> None:
    """TensorFlow 1: the same, filled by the graph's initializer, and a sharded saver."""
    vocabulary = folder.parent / "words1.txt"
    vocabulary.write_text("zero\none\n")
    with tf1.Graph().as_default(), tf1.Session() as session:
        asset = tf1.constant(str(vocabulary), name="asset_path")
        table = tf1.lookup.StaticHashTable(
            tf1.lookup.TextFileInitializer(
                asset,
                tf.string,
                tf1.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf1.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        weight = tf1.get_variable("weight", initializer=2.0, use_resource=False)
        placeholder = tf1.placeholder(tf.string, [None], name="words")
        numbers = tf.cast(table.lookup(placeholder), tf.float32) * weight
        initializer = tf1.tables_initializer()
        session.run([tf1.global_variables_initializer(), initializer])
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": tf1.saved_model.predict_signature_def(
                    {"words": placeholder}, {"numbers": numbers}
                )
            },
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
            main_op=initializer,
            saver=tf1.train.Saver(sharded=True),
        )
        builder.save()


WRITERS = (keras_export, saved_network, words, words_of_tf1)


def main(folder: Path) -> None:
    for write in WRITERS:
        write(folder / write.__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
