"""The starter model: a compact residual network over ten everyday classes.

`network` defines it, `train` learns its weights from CIFAR-10, `export` turns
them into the servable model under `resources/starter_model`, and `install`
copies that into a model repository without needing TensorFlow.
"""
