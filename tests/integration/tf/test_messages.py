"""TensorFlow Serving's messages without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_messages_load_without_tensorflow() -> None:
    assert (
        run(
            "import sys; from serving.tf import messages as m;"
            "request = m.predict_pb2.PredictRequest(); request.model_spec.name = 'pets';"
            "again = m.predict_pb2.PredictRequest.FromString(request.SerializeToString());"
            "print(again.model_spec.name, 'tensorflow' in sys.modules, 'numpy' in sys.modules)"
        )
        == "pets False False"
    )


def test_real_tensorflow_can_still_be_imported_afterwards() -> None:
    assert (
        run(
            "from serving.tf import messages as m; import tensorflow as tf;"
            "from tensorflow_serving.apis import predict_pb2;"
            "request = m.predict_pb2.PredictRequest();"
            "request.inputs['x'].CopyFrom(tf.make_tensor_proto([1.0, 2.0]));"
            "print(predict_pb2 is m.predict_pb2, tf.make_ndarray(request.inputs['x']).tolist())"
        )
        == "True [1.0, 2.0]"
    )


def test_it_steps_aside_where_tensorflow_is_loaded() -> None:
    assert (
        run(
            "import tensorflow as tf; from serving.tf import messages as m;"
            "from tensorflow.core.framework import tensor_pb2;"
            "print(m.tensor_pb2 is tensor_pb2, tf.constant(2).numpy())"
        )
        == "True 2"
    )
