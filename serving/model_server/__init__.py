"""A model server that answers as TensorFlow Serving does."""
