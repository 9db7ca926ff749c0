"""The HTTP service: which routes there are. Never imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fastapi import FastAPI

from backend import http_errors
from backend.events import EventBroker
from backend.model_catalog import ModelCatalog
from backend.origin_check import OriginCheck
from backend.routes import classify, events, health, labels, models, page, training
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.models.repository import ModelRepository


def create_app(
    *,
    model: str,
    store: Store,
    classifier: classify.Classifier,
    ready_instances: Callable[[], int],
    trainer: Trainer,
    repository: ModelRepository,
    broker: EventBroker,
    hosts: Collection[str] = (),
) -> FastAPI:
    """Build the service for `model` from parts that are open and running.

    `hosts` are host names, besides this machine's own, under which people reach it.
    """
    catalog = ModelCatalog(repository)
    app = FastAPI(
        title="Servery backend",
        description="Classifies photos, keeps labels and learns from them.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(OriginCheck, hosts=hosts)
    http_errors.install_error_handlers(app)
    app.include_router(page.routes())
    app.include_router(health.routes(model, ready_instances, catalog))
    app.include_router(classify.routes(classifier))
    app.include_router(labels.routes(model, store, catalog, broker))
    app.include_router(training.routes(trainer))
    app.include_router(models.routes(repository, catalog, store, broker))
    app.include_router(events.routes(broker))
    return app
