"""The names by which a version that we exported is read: files, signatures, tensors and nodes.

Versions on disk carry these names and are never rewritten. A change of one here must go
on reading the old one.
"""

from __future__ import annotations

from pathlib import Path

SAVED_MODEL_FILE = "saved_model.pb"
VARIABLES_FOLDER = "variables"
"""What a version that Servery exported does not have: its weights are constants of the graph."""
WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
"""TFRecord file of `PredictionLog`s; its place is TensorFlow Serving's."""

WARM_UP_EMBEDDING_FILE = Path("assets.extra") / "warm_up_embedding.npy"
"""float32 [D], of the first photo in the warm-up records, as TensorFlow computed it when the
version was made: what another runtime has to agree with. Older versions have none."""
CARD_FILE = Path("assets.extra") / "servery.json"
"""Where a model card lies inside a version's folder."""

SERVE_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"
CLASSIFY_SIGNATURE = "predict_images"
EMBED_SIGNATURE = "embed"

IMAGES = "images"
"""Input of every signature: string [N], whole JPEG files."""
CLASSES = "classes"
"""Output of `CLASSIFY_SIGNATURE`: string [N, k], best first."""
SCORES = "scores"
"""Output of `CLASSIFY_SIGNATURE`: float [N, k], probabilities."""
EMBEDDING = "embedding"
"""Output of `EMBED_SIGNATURE`, and of `CLASSIFY_SIGNATURE` where there is `FAMILIARITY`: float
[N, D]."""
FAMILIARITY = "familiarity"
"""Output of `CLASSIFY_SIGNATURE` and `DEFAULT_SIGNATURE` in versions that learned what photos of
their classes look like: float [N], 0 to 1; below 0.5 a photo shows something else."""

EMBEDDING_NODE = "servery/embedding"
CLASSES_NODE = "servery/classes"
SCORES_NODE = "servery/scores"
FAMILIARITY_NODE = "servery/familiarity"
"""What it is computed from has names that begin with it and a slash."""
HEAD_KERNEL = "servery/head/kernel"
"""Constant, float [2 D, C]: rows for the embedding, then for the same at unit length.

It is [D, C], for the embedding alone, in versions that Servery 0.1 made."""
HEAD_BIAS = "servery/head/bias"
"""Constant, float [C]."""
HEAD_CLASSES = "servery/head/classes"
"""Constant, string [C]."""
SEPARATE_SCORES_NODE = "servery/head/separate_scores"
"""Sigmoid of the logits, in a version whose classes do not exclude each other. It becomes a softmax
once the head is taught, since learning makes heads whose classes do."""
