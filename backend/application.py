"""The parts that the HTTP service stands on, built and opened in one order wherever it runs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from backend.access import PeerOwner
from backend.canary.canaries import Canaries
from backend.events import EventBroker
from backend.http_app import create_app
from backend.labelling.suggestions import Suggestions
from backend.model_files.archive_imports import ArchiveImports
from backend.model_files.exports import ModelExports
from backend.model_files.imports import ModelImports
from backend.model_files.jobs import ModelFileJobs
from backend.model_files.uploads import ModelUploads
from backend.model_images.builds import ImageBuilds
from backend.models.class_changes import ClassChanges
from backend.models.comparison import VersionComparison
from backend.models.imports import PhotoImports
from backend.models.lifecycle import ModelLifecycle, ModelSwitch
from backend.models.names import ModelNames
from backend.opening import opened
from backend.peer import owner_of_peer
from backend.photos.budget import PhotoBudget
from backend.photos.photo_decoder import PhotoDecoder
from backend.photos.request_queue import RequestQueue
from backend.rollouts import Rollouts
from backend.routes.classify import Classifier
from backend.store.store import Store
from backend.trainer_proxy import TrainerLink
from backend.training.trainer import Trainer
from backend.webhooks.pending_messages import PendingMessages
from backend.webhooks.promotions import PromotionNotifier
from backend.webhooks.registry import WebhookRegistry
from backend.webhooks.sender import WebhookSender
from serving.access_token import AccessToken
from serving.fleet.view import FleetView
from serving.models.repository import ModelRepository
from serving.named_tokens import NamedTokens
from serving.workspace import Workspace


@dataclass(frozen=True)
class Application:
    """The service, and what has to run beside it."""

    app: FastAPI
    canaries: Canaries
    rollouts: Rollouts
    images: ImageBuilds
    promotions: PromotionNotifier


@asynccontextmanager
async def open_application(
    *,
    workspace: Workspace,
    repository: ModelRepository,
    store: Store,
    broker: EventBroker,
    trainer: Trainer,
    switch: ModelSwitch,
    classifier: Classifier,
    view: Callable[[], FleetView],
    ready_instances: Callable[[], int],
    budget: PhotoBudget,
    hosts: Collection[str] = (),
    owner_of: PeerOwner = owner_of_peer,
    monotonic: Callable[[], float] = time.monotonic,
    queue: RequestQueue | None = None,
    trainer_link: TrainerLink | None = None,
) -> AsyncIterator[Application]:
    """Build everything in order, and take it down in the reverse order.

    `view` returns the fleet as it is; `store` is closed by the caller. For `hosts`, `owner_of` and
    `trainer_link` see `create_app`.
    """
    async with AsyncExitStack() as stack:
        names = ModelNames(repository, store)
        canaries = Canaries(
            repository=repository,
            store=store,
            switch=switch,
            broker=broker,
            view=view,
            monotonic=monotonic,
        )
        rollouts = Rollouts(view, broker, monotonic)
        lifecycle = ModelLifecycle(
            repository=repository,
            store=store,
            trainer=trainer,
            names=names,
            switch=switch,
            broker=broker,
        )
        class_changes = ClassChanges(
            repository=repository,
            store=store,
            trainer=trainer,
            switch=switch,
            broker=broker,
            workspace=workspace,
        )
        webhooks = WebhookRegistry(workspace.webhooks)
        sender = WebhookSender(webhooks, PendingMessages(workspace.webhook_messages))
        stack.push_async_callback(sender.close)
        await sender.open()
        decoder = PhotoDecoder(budget)
        stack.push_async_callback(decoder.close)
        imports = PhotoImports(trainer, workspace)
        images = ImageBuilds(repository, workspace, broker)
        model_uploads = ModelUploads(workspace.models)
        model_imports = ModelImports(repository, workspace.downloads, store, broker)
        file_jobs = ModelFileJobs()
        exports = ModelExports(file_jobs, repository, store, workspace)
        archives = ArchiveImports(file_jobs, lifecycle, repository, store, workspace, broker)
        if trainer_link is not None:
            stack.push_async_callback(trainer_link.close)
        else:  # in an API these would end and remove what the trainer is at
            for close in (lifecycle.close, trainer.close, images.close, model_uploads.close):
                stack.push_async_callback(close)
            stack.push_async_callback(model_imports.close)
            stack.push_async_callback(file_jobs.close)
            steps = (imports.open, class_changes.open, trainer.open, lifecycle.open, images.open)
            await stack.enter_async_context(opened((*steps, archives.open)))
        app = create_app(
            store=store,
            classifier=classifier,
            queue=queue or RequestQueue(),
            webhooks=webhooks,
            sender=sender,
            view=view,
            ready_instances=ready_instances,
            trainer=trainer,
            names=names,
            lifecycle=lifecycle,
            class_changes=class_changes,
            switch=switch,
            comparison=VersionComparison(repository, store, workspace),
            suggestions=Suggestions(repository, store, workspace),
            imports=imports,
            images=images,
            model_imports=model_imports,
            model_uploads=model_uploads,
            file_jobs=file_jobs,
            exports=exports,
            archives=archives,
            canaries=canaries,
            rollouts=rollouts,
            repository=repository,
            broker=broker,
            token=AccessToken(workspace.token),
            tokens=NamedTokens(workspace.named_tokens),
            budget=budget,
            decoder=decoder,
            embeddings=workspace.embeddings,
            hosts=hosts,
            owner_of=owner_of,
            trainer_link=trainer_link,
        )
        promotions = PromotionNotifier(repository, sender, broker)
        yield Application(app, canaries, rollouts, images, promotions)
