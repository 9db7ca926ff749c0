"""The HTTP service: which routes there are. Never imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from fastapi import FastAPI

from backend import http_errors
from backend.access import Access, PeerOwner
from backend.canary.canaries import Canaries
from backend.content_encoding import ContentEncoding
from backend.events import EventBroker
from backend.head_requests import HeadRequests
from backend.json_limit import JsonLimit
from backend.labelling.suggestions import Suggestions
from backend.models.catalog import ModelCatalog
from backend.models.class_changes import ClassChanges
from backend.models.comparison import VersionComparison
from backend.models.imports import PhotoImports
from backend.models.lifecycle import ModelLifecycle, ModelSwitch
from backend.models.names import ModelNames
from backend.origin_check import OriginCheck
from backend.peer import owner_of_peer
from backend.photos.budget import PhotoBudget
from backend.photos.photo_decoder import PhotoDecoder
from backend.rollouts import Rollouts
from backend.routes import (
    built_in,
    canary,
    classes,
    classify,
    compare,
    events,
    health,
    history,
    import_photos,
    labels,
    models,
    page,
    photos,
    pool,
    served,
    teaching,
    training,
    trust,
    versions,
)
from backend.store.store import Store
from backend.training.trainer import Trainer
from backend.uploads import Uploads
from serving.access_token import AccessToken
from serving.models.repository import ModelRepository


def create_app(
    *,
    store: Store,
    classifier: classify.Classifier,
    ready_instances: Callable[[], int],
    trainer: Trainer,
    names: ModelNames,
    lifecycle: ModelLifecycle,
    class_changes: ClassChanges,
    switch: ModelSwitch,
    comparison: VersionComparison,
    suggestions: Suggestions,
    imports: PhotoImports,
    canaries: Canaries,
    rollouts: Rollouts,
    repository: ModelRepository,
    broker: EventBroker,
    token: AccessToken,
    budget: PhotoBudget,
    decoder: PhotoDecoder,
    embeddings: Path,
    hosts: Collection[str] = (),
    owner_of: PeerOwner = owner_of_peer,
) -> FastAPI:
    """Build the service from parts that are open and running.

    `hosts` are host names, besides this machine's own, under which people reach it.
    `embeddings` is the folder of the cache of embeddings.
    `token` lets in callers that are not known to be the person; `owner_of` tells which user is at
    the other end of a connection.
    """
    catalog = ModelCatalog(repository, store, canaries.summary)
    uploads = Uploads(budget, decoder)
    app = FastAPI(
        title="Servery backend",
        description="Classifies photos, keeps labels and learns from them.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(JsonLimit)
    app.add_middleware(ContentEncoding)
    app.add_middleware(HeadRequests)
    app.add_middleware(Access, token=token, owner_of=owner_of)
    app.add_middleware(OriginCheck, hosts=hosts)
    http_errors.install_error_handlers(app)
    app.include_router(page.routes())
    app.include_router(health.routes(repository, ready_instances, catalog, trainer))
    app.include_router(classify.routes(classifier, names, uploads))
    app.include_router(labels.routes(store, catalog, names, broker, uploads))
    app.include_router(training.routes(trainer, names, store, broker))
    app.include_router(models.routes(repository, catalog, names, lifecycle, broker))
    app.include_router(classes.routes(class_changes, catalog, names, store))
    app.include_router(served.routes(repository, catalog, names, switch, broker))
    app.include_router(versions.routes(repository, catalog, names, store, switch, broker))
    app.include_router(canary.routes(repository, catalog, names, canaries))
    app.include_router(history.routes(names, store, rollouts))
    app.include_router(trust.routes(repository, names, broker))
    app.include_router(pool.routes(store, names, repository, uploads, embeddings))
    app.include_router(teaching.routes(suggestions, names))
    app.include_router(photos.routes(store, names, decoder))
    app.include_router(compare.routes(repository, comparison, names))
    app.include_router(import_photos.routes(imports, names))
    app.include_router(built_in.routes(repository, catalog, store, broker))
    app.include_router(events.routes(broker))
    return app
