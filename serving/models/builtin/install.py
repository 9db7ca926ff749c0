"""Puts built-in models into a model repository, without TensorFlow or a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from serving.clock import utc_now
from serving.errors import ModelError, storage_error
from serving.models.builtin.catalog import (
    DEFAULT_BUILT_IN,
    RESOURCES,
    ZOOM,
    BuiltInModel,
    built_in_model,
)
from serving.models.builtin.efficientnet import EMBEDDING_SIZE
from serving.models.builtin.folding import FoldedWeights, fold
from serving.models.builtin.imagenet import imagenet_classes
from serving.models.builtin.old_classes import EMBEDDING_MEAN_FILE, familiar_to
from serving.models.builtin.torch_weights import read_torch_weights
from serving.models.card import CARD_PATH, ModelCard
from serving.models.familiarity import Familiarity
from serving.models.familiarity_graph import with_familiarity
from serving.models.graph_template import float_tensor, with_constants
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.models.warm_up import write_warmup
from serving.tf.free_memory import keep_little_free_memory, return_free_memory
from serving.tf.names import (
    HEAD_BIAS,
    HEAD_CLASSES,
    HEAD_KERNEL,
    SAVED_MODEL_FILE,
    WARM_UP_EMBEDDING_FILE,
)
from serving.tf.tensors import string_tensor

LICENCES = RESOURCES / "licences"
LICENCE_FILE = Path("assets.extra") / "LICENSE"
NOTICE_FILE = Path("assets.extra") / "NOTICE"
_LOCK_NAME = ".installing"


def install_first_model(repository: ModelRepository) -> None:
    """Give a repository without any model the one that people begin with, as the current one.

    Does nothing if there is a model. Raises ModelError if files are missing or the disk is full.
    """
    if repository.models():  # the usual case, in which nothing is locked or written
        return
    with _installing(repository):
        if not repository.models():
            name = _install(repository, built_in_model(DEFAULT_BUILT_IN)).model
            repository.change_served(lambda served: replace(served, current=name))


def install_built_in(repository: ModelRepository, name: str) -> Version:
    """Make sure that a built-in model is in the repository, and return its live version.

    It is not served by that. A model of this name that is there already is left as it is.
    Raises ModelError if none of this name comes with Servery, files are missing, or the disk
    is full.
    """
    model = built_in_model(name)
    with _installing(repository):
        if repository.versions(name):
            return repository.live(name)
        return _install(repository, model)


def write_built_in(folder: Path, model: BuiltInModel) -> None:
    """Write a version of a built-in model into a folder; raises ModelError."""
    weights = fold(model.variant, read_torch_weights(model.weights))
    classes = imagenet_classes()
    card = ModelCard(
        name=model.name,
        classes=tuple(each.name for each in classes),
        other_names={each.name: list(each.other_names) for each in classes if each.other_names},
        description=model.description,
        created=utc_now(),
        input_side=model.input_side,
        embedding_size=EMBEDDING_SIZE,
        preprocessing=(
            f"shorter side to {ZOOM} x {model.input_side} pixels, bicubic; the middle"
            f" {model.input_side}x{model.input_side}; (pixel - 127) / 128"
        ),
        licence=model.licence,
        attribution=model.attribution,
        backbone=model.name,
        runtime=model.runtime,
        precision=model.precision,
        metrics={
            "accuracy": model.accuracy,
            "measured_images": 50_000,
            "measured_on": "ImageNet's validation photos, by the authors of the network",
        },
    )
    notice = (LICENCES / "built-in-models.txt").read_text("utf-8")
    write_warmup(folder)
    shutil.copyfile(model.warm_up_embedding, folder / WARM_UP_EMBEDDING_FILE)
    np.save(folder / EMBEDDING_MEAN_FILE, weights.embedding_mean)
    (folder / SAVED_MODEL_FILE).write_bytes(graph(model, weights))
    (folder / CARD_PATH).write_text(card.to_json())
    shutil.copyfile(LICENCES / "Apache-2.0.txt", folder / LICENCE_FILE)
    (folder / NOTICE_FILE).write_text(notice.format(package=model.package), "utf-8")


def graph(model: BuiltInModel, weights: FoldedWeights) -> bytes:
    """Return the content of its `saved_model.pb`."""
    classes = imagenet_classes()
    kernel = np.zeros((2 * EMBEDDING_SIZE, len(classes)), np.float32)
    kernel[:EMBEDDING_SIZE] = weights.head_kernel
    constants = {
        **weights.constants,
        HEAD_KERNEL: float_tensor(kernel),
        HEAD_BIAS: float_tensor(weights.head_bias),
        HEAD_CLASSES: string_tensor([each.name.encode() for each in classes]),
    }
    content = with_constants(model.template.read_bytes(), constants)
    familiarity = Familiarity(familiar_to(model, len(classes), weights.embedding_mean))
    return with_familiarity(content, familiarity)


def _install(repository: ModelRepository, model: BuiltInModel) -> Version:
    # The window's process would keep the memory that the weights and the graph took.
    keep_little_free_memory()
    with staged_version(repository, model.name) as staged:
        try:
            write_built_in(staged, model)
        except OSError as error:
            raise ModelError(
                f"{model.title} cannot be installed: {error.strerror or error}.",
                "Make room on the disk, or install Servery again.",
            ) from error
        version = commit_version(repository, model.name, staged)
    return_free_memory()
    return repository.promote(model.name, version.number)


@contextmanager
def _installing(repository: ModelRepository) -> Iterator[None]:
    """Keep the window and the backend, which start together, from installing a model twice."""
    try:
        repository.root.mkdir(parents=True, exist_ok=True)
        with FileLock(repository.root / _LOCK_NAME):
            yield
    except OSError as error:
        what = f"The folder {repository.root} cannot be written"
        raise storage_error(error, repository.root, what, ModelError) from error
