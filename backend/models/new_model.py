"""The first version of a model of one's own, made from the network of another."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from backend.training.features import FEATURES_PATH
from backend.training.head import Head, ServableGraph
from backend.training.worker_protocol import REPORT_PATH
from serving.clock import utc_now
from serving.errors import ModelError
from serving.models.card import CARD_PATH
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository, Version
from serving.tf.names import SAVED_MODEL_FILE


def make_model(
    repository: ModelRepository, name: str, backbone: Version, *, keep_classes: bool
) -> None:
    """Make a model `name` whose live version 1 has the network of `backbone`.

    It answers with the backbone's classes, or with none until somebody teaches it.
    Raises ModelError if the name is taken, or the backbone cannot be taught.
    """
    settings = ModelSettings(
        backbone=backbone.model, keeps_backbone_classes=keep_classes, created=utc_now()
    )
    # Looked at before there is a model: what cannot be taught is refused without a trace.
    graph = ServableGraph(backbone.path)
    repository.create(name, settings)
    try:
        with repository.staged(name) as staged:
            _write_first_version(staged, name, backbone, graph, keep_classes=keep_classes)
            version = repository.adopt(name, staged)
        repository.promote(name, version.number)
    except BaseException:
        shutil.rmtree(repository.root / name, ignore_errors=True)
        raise


def _write_first_version(
    staged: Path, name: str, backbone: Version, graph: ServableGraph, *, keep_classes: bool
) -> None:
    card = replace(
        backbone.card(), name=name, created=utc_now(), base_version=None, training_run=None
    )
    replaced = {CARD_PATH.name, CHECKSUMS_PATH.name, REPORT_PATH.name}
    if not keep_classes:
        replaced |= {SAVED_MODEL_FILE, FEATURES_PATH.name}
        card = replace(card, classes=(), other_names={}, description="", metrics={}, training={})
    try:
        shutil.copytree(
            backbone.path,
            staged,
            dirs_exist_ok=True,
            copy_function=_link,
            ignore=lambda _folder, names: replaced & set(names),
        )
        if not keep_classes:
            head = graph.head()
            (staged / SAVED_MODEL_FILE).write_bytes(
                graph.with_head(Head(head.kernel[:, :0], head.bias[:0], ()))
            )
        (staged / CARD_PATH).parent.mkdir(exist_ok=True)
        (staged / CARD_PATH).write_text(card.to_json())
    except (OSError, shutil.Error) as error:
        raise ModelError(
            f"The first version of {name} cannot be written: {error}.",
            "Make room on the disk, then try again.",
        ) from error


def _link(source: str, target: str) -> None:
    """Share a file, which never changes, or copy it where that is impossible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
