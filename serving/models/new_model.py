"""Makes a model of a person's own on the network of another one, without TensorFlow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from serving.clock import utc_now
from serving.errors import ModelError, storage_error
from serving.files import copy_tree, link_or_copy
from serving.models.builtin.catalog import built_in_model, built_in_models
from serving.models.builtin.install import write_built_in
from serving.models.card import CARD_PATH, ModelCard
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.familiarity_graph import with_familiarity
from serving.models.former_head import has_former_head, with_current_head
from serving.models.graph_template import constant_shapes, float_tensor, with_constants
from serving.models.model_folders import create_model
from serving.models.model_names import checked_model_name
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, SAVED_MODEL_FILE
from serving.tf.tensors import string_tensor

_OF_THE_BACKBONE_ALONE = (
    *("learned.npz", "features.npz", "report.json", "answers.json"),
    CHECKSUMS_PATH.name,
)
"""Files of a version that say what it learned and how well, which is not true of another."""


def create_from_backbone(
    repository: ModelRepository, name: str, backbone_model: str, keeps_classes: bool
) -> Version:
    """Make a model and its version 1, which is live, on the network of another model.

    The version has no classes yet, or those of the backbone's live version. A built-in model
    that is not in the repository can be the backbone too, and is not added by that.
    Raises ModelNameError, and ModelError if the name is taken, there is no such backbone, it
    has no embedding to learn from, or the disk is full.
    """
    name = checked_model_name(name)
    settings = ModelSettings(
        backbone=backbone_model, keeps_backbone_classes=keeps_classes, created=utc_now()
    )
    create_model(repository, name, settings)
    try:
        with staged_version(repository, name) as staged:
            try:
                base = _write(repository, staged, name, backbone_model, keeps_classes)
            except OSError as error:
                what = f"The model {name} cannot be made"
                raise storage_error(error, repository.root, what, ModelError) from error
            version = commit_version(repository, name, staged, learned_from=base)
    except BaseException:
        # Without a version it is not a model yet, and its name is free again.
        shutil.rmtree(repository.root / name, ignore_errors=True)
        raise
    return repository.promote(name, version.number)


def _write(
    repository: ModelRepository, staged: Path, name: str, backbone_model: str, keeps_classes: bool
) -> Version | None:
    """Write the version; returns the one of the repository that it is built on, if it is."""
    base = repository.live(backbone_model) if repository.versions(backbone_model) else None
    if base is not None:
        source = base.path
        # Shared on disk, since versions never change; what is written below is not among them.
        ignored = shutil.ignore_patterns(*_OF_THE_BACKBONE_ALONE, CARD_PATH.name)
        copy_tree(source, staged, may_exist=True, ignore=ignored, copy=link_or_copy)
        card = ModelCard.read(source)
    elif backbone_model in [model.name for model in built_in_models()]:
        write_built_in(staged, built_in_model(backbone_model))
        card = ModelCard.read(staged)
    else:
        raise ModelError(
            f"There is no model {backbone_model} to build on.",
            "Choose one from the list of models.",
        )
    graph = staged / SAVED_MODEL_FILE
    content = graph.read_bytes()
    shapes = constant_shapes(content)
    if not {HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES} <= shapes.keys():
        raise ModelError(
            f"Model {backbone_model} gives no embedding to learn from.",
            "Choose another model to build on.",
        )
    if has_former_head(content):
        content = with_current_head(content, built_in_models()[0].template.read_bytes())
        shapes = constant_shapes(content)
        graph.unlink()
        graph.write_bytes(content)
    card = replace(
        card, name=name, created=utc_now(), base_version=None, training_run=None, training={}
    )
    if not keeps_classes:
        head = {
            HEAD_KERNEL: float_tensor(np.zeros((shapes[HEAD_KERNEL][0], 0))),
            HEAD_BIAS: float_tensor(np.zeros(0)),
            HEAD_CLASSES: string_tensor([]),
        }
        graph.unlink()
        graph.write_bytes(with_familiarity(with_constants(content, head), None))
        card = replace(card, classes=(), other_names={}, metrics={}, description="")
    card_path = staged / CARD_PATH
    card_path.parent.mkdir(exist_ok=True)
    card_path.write_text(card.to_json())
    return base
