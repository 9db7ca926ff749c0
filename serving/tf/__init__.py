"""TensorFlow's messages, tensors, sessions and our graph constants, without `import tensorflow`.

The model server, the client and the training worker all build on this package, which
imports nothing else of this project.
"""
