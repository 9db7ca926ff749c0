"""The HTTP service: which routes there are. Never imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from fastapi import FastAPI

from backend import http_errors, openapi
from backend.access import Access, PeerOwner
from backend.canary.canaries import Canaries
from backend.content_encoding import ContentEncoding
from backend.contract_schemas import keep_schemas
from backend.events import EventBroker
from backend.head_requests import HeadRequests
from backend.json_limit import JsonLimit
from backend.label_files.import_labels import LabelImporter
from backend.labelling.suggestions import Suggestions
from backend.metrics import MeasuredRequests, ServiceMetrics
from backend.model_files.archive_imports import ArchiveImports
from backend.model_files.exports import ModelExports
from backend.model_files.imports import ModelImports
from backend.model_files.jobs import ModelFileJobs
from backend.model_files.uploads import ModelUploads
from backend.model_images.builds import ImageBuilds
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
from backend.photos.request_queue import RequestQueue
from backend.rollouts import Rollouts
from backend.routes import (
    built_in,
    canary,
    catalogue,
    classes,
    classify,
    compare,
    events,
    health,
    history,
    import_photos,
    label_files,
    labels,
    model_exports,
    model_files,
    model_images,
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
from backend.routes import metrics as metrics_route
from backend.routes import webhooks as webhooks_route
from backend.store.store import Store
from backend.trainer_proxy import TrainerLink, TrainerProxy
from backend.training.trainer import Trainer
from backend.unfinished_requests import UnfinishedRequests
from backend.uploads import Uploads
from backend.webhooks.registry import WebhookRegistry
from backend.webhooks.sender import WebhookSender
from serving.access_token import AccessToken
from serving.fleet.view import FleetView
from serving.models.repository import ModelRepository
from serving.named_tokens import NamedTokens


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
    images: ImageBuilds,
    model_imports: ModelImports,
    model_uploads: ModelUploads,
    file_jobs: ModelFileJobs,
    exports: ModelExports,
    archives: ArchiveImports,
    canaries: Canaries,
    rollouts: Rollouts,
    repository: ModelRepository,
    broker: EventBroker,
    token: AccessToken,
    tokens: NamedTokens,
    budget: PhotoBudget,
    decoder: PhotoDecoder,
    embeddings: Path,
    queue: RequestQueue,
    webhooks: WebhookRegistry,
    sender: WebhookSender,
    view: Callable[[], FleetView],
    hosts: Collection[str] = (),
    owner_of: PeerOwner = owner_of_peer,
    trainer_link: TrainerLink | None = None,
) -> FastAPI:
    """Build the service from parts that are open and running.

    `hosts` are host names, besides this machine's own, under which people reach it.
    `embeddings` is the folder of the cache of embeddings; `view` returns the fleet as it is.
    `token` lets in callers that are not known to be the person, and `tokens` do so for what each
    may do; `owner_of` tells which user is at the other end of a connection. An API has a
    `trainer_link`, by which it hands over what only a trainer may do: the parts for that are
    neither open nor running in it.
    """
    keep_schemas()
    catalog = ModelCatalog(repository, store, canaries.summary)
    uploads = Uploads(budget, decoder)
    metrics = ServiceMetrics(queue, budget, broker, view)
    app = FastAPI(
        title="Servery backend",
        description="Classifies photos, keeps labels and learns from them.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(JsonLimit)
    app.add_middleware(ContentEncoding)
    app.add_middleware(HeadRequests)
    if trainer_link is not None:
        app.add_middleware(TrainerProxy, link=trainer_link)
    app.add_middleware(Access, token=token, tokens=tokens, owner_of=owner_of)
    app.add_middleware(OriginCheck, hosts=hosts)
    app.add_middleware(UnfinishedRequests)
    app.add_middleware(MeasuredRequests, metrics=metrics)
    http_errors.install_error_handlers(app)
    classify_routes, plain_classify = classify.routes(classifier, names, uploads, queue, sender)
    app.routes.append(plain_classify)
    app.include_router(page.routes())
    app.include_router(health.routes(repository, ready_instances, catalog, trainer))
    app.include_router(metrics_route.routes(metrics, store, repository))
    app.include_router(classify_routes)
    app.include_router(labels.routes(store, catalog, names, broker, uploads))
    importer = LabelImporter(store, catalog, decoder)
    app.include_router(label_files.routes(store, importer, names, broker))
    app.include_router(training.routes(trainer, names, store, broker))
    app.include_router(model_files.routes(model_imports, model_uploads))
    app.include_router(catalogue.routes(repository, model_imports))
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
    app.include_router(model_images.routes(images, repository, names))
    app.include_router(built_in.routes(repository, catalog, store, broker))
    app.include_router(model_exports.routes(repository, names, file_jobs, exports, archives))
    app.include_router(events.routes(broker))
    app.include_router(webhooks_route.routes(webhooks, sender))
    openapi.describe(app)
    return app
