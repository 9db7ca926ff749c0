"""The classifiers that can be downloaded: networks of Keras Applications, trained on ImageNet.

Facts are those that Keras states (https://keras.io/api/applications/; MobileNetV3 in the
documentation of its module): parameters, and accuracy on ImageNet's 50,000 validation photos. Paths
and checksums are those that `keras.applications` itself downloads and checks.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving.errors import ModelError
from serving.importing.interface import Channels, ValueRange

ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications"
"""Where the authors of Keras publish the weights. A mirror has the same paths below its own
address."""
CLASSES = 1000


@dataclass(frozen=True)
class CatalogueModel:
    """One classifier that can be downloaded."""

    name: str
    title: str
    description: str
    architecture: str
    """The function of `keras.applications` that builds it."""
    path: str
    """Of its weights, below ORIGIN. Keras keeps them under the last part of it."""
    checksum: str
    """Of that file, hexadecimal: MD5, or SHA-256 if it is longer. Empty if Keras states none."""
    parameters: int
    accuracy: float
    """Share of ImageNet's 50,000 validation photos that are right."""
    side: int
    """Of the square that the network sees, in pixels."""
    value_range: ValueRange
    channels: Channels
    licence: str
    """Of the weights."""
    authors: str

    @property
    def file_name(self) -> str:
        """Under which Keras keeps the weights."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes of the weights, about: four a parameter."""
        return 4 * self.parameters


_MODELS = (
    CatalogueModel(
        name="mobilenet-v3-small",
        title="MobileNetV3 Small",
        description="The smallest and fastest; for slow machines.",
        architecture="MobileNetV3Small",
        path="mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float.h5",
        checksum="8768d4c2e7dee89b9d02b2d03d65d862",
        parameters=2_600_000,
        accuracy=0.681,
        side=224,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="mobilenet-v2",
        title="MobileNetV2",
        description="Small and fast, and the one that most examples use.",
        architecture="MobileNetV2",
        path="mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        checksum="",
        parameters=3_538_984,
        accuracy=0.713,
        side=224,
        value_range=ValueRange.SIGNED,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="mobilenet-v3-large",
        title="MobileNetV3 Large",
        description="Fast, and more accurate than MobileNetV2.",
        architecture="MobileNetV3Large",
        path="mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5",
        checksum="59e551e166be033d707958cf9e29a6a7",
        parameters=5_507_432,
        accuracy=0.756,
        side=224,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="efficientnet-v2-b0",
        title="EfficientNetV2 B0",
        description="Much accuracy for its size.",
        architecture="EfficientNetV2B0",
        path="efficientnet_v2/efficientnetv2-b0.h5",
        checksum="21ecbf6da12460d5c40bb2f29ceb2188",
        parameters=7_200_312,
        accuracy=0.787,
        side=224,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="efficientnet-v2-b3",
        title="EfficientNetV2 B3",
        description="More accurate than B0, at larger photos and about four times the work.",
        architecture="EfficientNetV2B3",
        path="efficientnet_v2/efficientnetv2-b3.h5",
        checksum="1f1fc43bd98a6e4fd8fdfd551e02c7a0",
        parameters=14_467_622,
        accuracy=0.82,
        side=300,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="efficientnet-v2-s",
        title="EfficientNetV2 S",
        description="Strong and slow: it sees photos at 384 pixels.",
        architecture="EfficientNetV2S",
        path="efficientnet_v2/efficientnetv2-s.h5",
        checksum="e1d88a8495beba45748fedd0cecbe016",
        parameters=21_612_360,
        accuracy=0.839,
        side=384,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="inception-v3",
        title="Inception v3",
        description="The classic of 2015.",
        architecture="InceptionV3",
        path="inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
        checksum="9a0d58056eeedaa3f26cb7ebd46da564",
        parameters=23_851_784,
        accuracy=0.779,
        side=299,
        value_range=ValueRange.SIGNED,
        channels=Channels.RGB,
        licence="Apache-2.0",
        authors="Google",
    ),
    CatalogueModel(
        name="resnet50",
        title="ResNet50",
        description="The network that others are compared with.",
        architecture="ResNet50",
        path="resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        checksum="2cb95161c43110f7111970584f804107",
        parameters=25_636_712,
        accuracy=0.749,
        side=224,
        value_range=ValueRange.CAFFE,
        channels=Channels.BGR,
        licence="MIT",
        authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun",
    ),
    CatalogueModel(
        name="convnext-tiny",
        title="ConvNeXt Tiny",
        description="A modern network as large as ResNet50 and far more accurate.",
        architecture="ConvNeXtTiny",
        path="convnext/convnext_tiny.h5",
        checksum="8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        parameters=28_589_128,
        accuracy=0.813,
        side=224,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="MIT",
        authors="Meta",
    ),
    CatalogueModel(
        name="convnext-base",
        title="ConvNeXt Base",
        description="The most accurate here, and the slowest.",
        architecture="ConvNeXtBase",
        path="convnext/convnext_base.h5",
        checksum="52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        parameters=88_591_464,
        accuracy=0.853,
        side=224,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        licence="MIT",
        authors="Meta",
    ),
)


def catalogue_models() -> tuple[CatalogueModel, ...]:
    """Return the classifiers that can be downloaded, the smallest first."""
    return _MODELS


def catalogue_model(name: str) -> CatalogueModel:
    """Return one of them; raises ModelError if there is none of this name."""
    for model in _MODELS:
        if model.name == name:
            return model
    raise ModelError(
        f"The catalogue has no model called {name}.",
        "`servery models add` lists what there is.",
    )
