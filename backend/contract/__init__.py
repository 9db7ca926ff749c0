"""Requests and responses of the backend's HTTP service; light to import.

Every type is a plain dataclass, sent as a JSON object with the same names.
Images travel as multipart form files named `file` (with the class as the form's
field `class`), or as the whole body (with the class in the query); every field may stand
in the query too. Errors are
problem details (RFC 9457, `ProblemDetails`) with a status code: 400 unusable request, 403 another
web site, 404 no such thing, 408 too slow, 409 conflict, 413 too large, 415 not an image, 422
damaged (a version too), 429 too many at once, 503 no ready instance, 504 past its deadline.

A label sent with the header `Idempotency-Key` may be sent again with the same
key: it is stored once, and the second response is 200 with the first label.
Labels that were sent with the same `batch`, a text that nobody else uses, are one
action, as are those of `POST /labels/batch`.

    POST /classify?model=&version=&top=&explain=&timeout=  file, or JSON with base64
                                                  -> Classification; [ClassifiedFile] of several
                                  (`explain` is `true` or a class: what speaks for it)
    POST /labels?model=           file or image (the SHA-256 of a photo that the backend
                                  has), class or kind, by, settles, batch, said_at
                                                  -> Label (201, after it is on disk)
    POST /labels/batch            BatchLabel      -> LabelAction (201)
    DELETE /labels/{id}                           -> 204 (undo)
    GET  /labels?model=                           -> LabelSummary
    GET  /labels/actions?model=&count=            -> [LabelAction], newest first
    DELETE /labels/actions/{id}                   -> LabelAction (undone)
    GET  /labels/conflicts?model=                 -> [Conflict]
    GET  /images/{sha256}/labels?model=           -> [Label], newest first
    GET  /models/{model}/classes                  -> [ClassCount], by name
    PATCH /models/{model}/classes/{name}?by=   {"name"}
                                                  -> ModelSummary (renamed, or merged)
    DELETE /models/{model}/classes/{name}?by=     -> ModelSummary
    GET  /models/{model}/class-changes            -> [ClassChange], newest first
    DELETE /models/{model}/class-changes/{id}?by= -> ModelSummary (undone)
    POST /pool?model=&version=    file, embedding (base64 of float32, little-endian)
                                                  -> PoolPhoto (201)
    GET  /pool?model=                             -> PoolSummary
    GET  /queue?model=&count=&exclude=            -> [QueueItem], the photo that teaches most
                                                     first (`exclude`: at most 200 hashes)
    GET  /clusters?model=&count=                  -> [Cluster], of photos that look alike
    GET  /label-issues?model=&count=              -> [LabelIssue], worst first
    POST /training?model=&fine_tune=              -> TrainingRun (202)
    GET  /models/{model}/fine-tuning              -> FineTuningOffer
    GET  /training?model=                         -> [TrainingRun], of every model without one
    GET  /training/{id}                           -> TrainingRun
    DELETE /training/{id}                         -> TrainingRun (cancelled)
    GET  /models/{model}/training-settings        -> TrainingSettings
    PUT  /models/{model}/training-settings  TrainingSettings -> TrainingSettings
    GET  /models                                  -> [ModelSummary], the current one first
    POST /models                  NewModel        -> ModelSummary (201)
    GET  /models/{model}                          -> ModelSummary
    PATCH /models/{model}         ModelChange     -> ModelSummary
    DELETE /models/{model}                        -> DeletedModel
    GET  /deleted                                 -> [DeletedModel], the last one first
    POST /deleted/{token}/restore                 -> ModelSummary
    POST /models/{model}/duplicate  {"name"}      -> ModelSummary (201)
    POST /models/{model}/use                      -> ModelSummary, once it is the current one
    PUT  /models/{model}/served                   -> ModelSummary, once it is loaded
    DELETE /models/{model}/served                 -> ModelSummary
    POST /models/{model}/import   {"folder"}, or a zip file -> TrainingRun (202)
                                  (`?name=` says what people call the zip file)
    POST /models/{model}/labels/export  NewLabelExport -> LabelExport, in a stream (below)
    POST /models/{model}/labels/import  NewLabelImport -> LabelImport, in a stream
    POST /keywords                PhotoFolderPath -> KeywordSummary, in a stream
    GET  /models/{model}/photos?count=            -> [LabeledPhoto]
    POST /models/{model}/compare  {"versions", "images", "files"} -> [Comparison]
                                  (`files` are paths on the backend's machine, for
                                  requests from it; without both, all labelled photos)
    GET  /models/{model}/audit?count=             -> [AuditEntry], newest first
    GET  /models/{model}/rollout                  -> RolloutSummary: is it live everywhere?
    GET  /models/{model}/versions                 -> [VersionSummary]
    POST /models/{model}/versions/{n}/promote?by= -> VersionSummary
    POST /models/{model}/versions/{n}/canary  NewCanary -> CanarySummary (201)
    DELETE /models/{model}/versions/{n}/canary?by= -> ModelSummary (ends it; `promote` does so
                                                     the other way)
    PUT, DELETE /models/{model}/versions/{n}/pinned -> VersionSummary
    DELETE /models/{model}/versions/{n}           -> 204
    POST /models/{model}/versions/{n}/predictions  FilePaths -> FilePredictions, in a stream
    POST /models/{model}/versions/{n}/verify      -> Verification
    GET  /models/{model}/versions/{n}/report      -> EvaluationReport
    GET  /models/{model}/versions/{n}/answers?label=&answered=&count= -> [PhotoAnswer], of a
                                                     cell of the report's confusion matrix
    GET  /images/{sha256}?side=                   -> the photo, a JPEG file, its shorter
                                                     side that many pixels
    POST /models/{model}/versions/{n}/image  NewImage -> ImageBuild (202)
    GET  /models/{model}/image-settings           -> ImageSettings
    PUT  /models/{model}/image-settings  ImageSettings -> ImageSettings
    GET  /image-builds?model=                     -> [ImageBuild], newest first
    GET  /image-builds/{id}                       -> ImageBuild
    DELETE /image-builds/{id}                     -> ImageBuild (cancelled)
    GET  /image-builds/{id}/log                   -> text
    GET  /image-bases                             -> [BaseImage] that the engine has
    POST /model-files?name=       a file          -> ModelUpload (201)
    DELETE /model-files/{id}                      -> 204
    POST /model-files/inspect     ModelFileQuery  -> ModelInspection
    POST /model-files/preview     ModelFileQuery  -> [Preview], of its `photos`
    POST /models/import           NewImport       -> ModelImport (202)
    GET  /model-imports                           -> [ModelImport], the last one first
    GET  /model-imports/{id}                      -> ModelImport
    DELETE /model-imports/{id}                    -> ModelImport (cancelled)
    GET  /built-in                                -> [BuiltInSummary]
    POST /built-in/{name}                         -> ModelSummary (201)
    GET  /health                                  -> Health
    GET  /readyz                                  -> Health, if a photo could be classified now
    GET  /webhooks                                -> [Webhook]
    POST /webhooks                NewWebhook      -> CreatedWebhook (201)
    DELETE /webhooks/{id}                         -> 204
    GET  /metrics                                 -> Prometheus's text form
    GET  /events                                  -> server-sent events: Event
    GET  /                                        -> the web page
    GET  /openapi.json                            -> this, as a schema

Without `model`, the current one is meant.

What comes in a stream takes long: lines of JSON, each `{"done", "total", "text"}` as the work
goes on, the last `{"result"}`, or `{"problem"}`. Closing the connection cancels it.
"""

from __future__ import annotations

from backend.contract.canary import DEFAULT_SHARE as DEFAULT_SHARE
from backend.contract.canary import CanarySummary as CanarySummary
from backend.contract.canary import NewCanary as NewCanary
from backend.contract.classes import ClassChange as ClassChange
from backend.contract.classes import ClassChangeKind as ClassChangeKind
from backend.contract.classes import NewClassName as NewClassName
from backend.contract.history import AuditAction as AuditAction
from backend.contract.history import AuditEntry as AuditEntry
from backend.contract.history import RolloutSummary as RolloutSummary
from backend.contract.label_files import LABELS_CSV as LABELS_CSV
from backend.contract.label_files import TASKS_JSON as TASKS_JSON
from backend.contract.label_files import KeywordCount as KeywordCount
from backend.contract.label_files import KeywordSummary as KeywordSummary
from backend.contract.label_files import LabelExport as LabelExport
from backend.contract.label_files import LabelFormat as LabelFormat
from backend.contract.label_files import LabelImport as LabelImport
from backend.contract.label_files import NewLabelExport as NewLabelExport
from backend.contract.label_files import NewLabelImport as NewLabelImport
from backend.contract.label_files import PhotoFolderPath as PhotoFolderPath
from backend.contract.labels import BatchLabel as BatchLabel
from backend.contract.labels import ClassCount as ClassCount
from backend.contract.labels import Conflict as Conflict
from backend.contract.labels import Label as Label
from backend.contract.labels import LabelAction as LabelAction
from backend.contract.labels import LabeledPhoto as LabeledPhoto
from backend.contract.labels import LabelKind as LabelKind
from backend.contract.labels import LabelSummary as LabelSummary
from backend.contract.labels import PoolPhoto as PoolPhoto
from backend.contract.labels import PoolSummary as PoolSummary
from backend.contract.model_exports import ModelFileJob as ModelFileJob
from backend.contract.model_exports import NewExport as NewExport
from backend.contract.model_files import CatalogueEntry as CatalogueEntry
from backend.contract.model_files import ImportState as ImportState
from backend.contract.model_files import ModelFileQuery as ModelFileQuery
from backend.contract.model_files import ModelImport as ModelImport
from backend.contract.model_files import ModelUpload as ModelUpload
from backend.contract.model_files import NewDownload as NewDownload
from backend.contract.model_files import NewImport as NewImport
from backend.contract.model_images import ENDED_BUILDS as ENDED_BUILDS
from backend.contract.model_images import BaseImage as BaseImage
from backend.contract.model_images import ImageBuild as ImageBuild
from backend.contract.model_images import ImageBuildState as ImageBuildState
from backend.contract.model_images import ImageSettings as ImageSettings
from backend.contract.model_images import NewImage as NewImage
from backend.contract.models import BuiltInSummary as BuiltInSummary
from backend.contract.models import DeletedModel as DeletedModel
from backend.contract.models import ModelChange as ModelChange
from backend.contract.models import ModelSummary as ModelSummary
from backend.contract.models import NewModel as NewModel
from backend.contract.service import Classification as Classification
from backend.contract.service import ClassifiedFile as ClassifiedFile
from backend.contract.service import Event as Event
from backend.contract.service import Explanation as Explanation
from backend.contract.service import Health as Health
from backend.contract.service import ProblemDetails as ProblemDetails
from backend.contract.service import database_name as database_name
from backend.contract.teaching import Cluster as Cluster
from backend.contract.teaching import IssueKind as IssueKind
from backend.contract.teaching import LabelIssue as LabelIssue
from backend.contract.teaching import Outlook as Outlook
from backend.contract.teaching import QueueItem as QueueItem
from backend.contract.teaching import QueueReason as QueueReason
from backend.contract.training import MAX_AFTER_LABELS as MAX_AFTER_LABELS
from backend.contract.training import MAX_QUIET_SECONDS as MAX_QUIET_SECONDS
from backend.contract.training import MIN_QUIET_SECONDS as MIN_QUIET_SECONDS
from backend.contract.training import Certainty as Certainty
from backend.contract.training import ConfusedClasses as ConfusedClasses
from backend.contract.training import Decision as Decision
from backend.contract.training import EvaluationReport as EvaluationReport
from backend.contract.training import FineTuningOffer as FineTuningOffer
from backend.contract.training import Mistake as Mistake
from backend.contract.training import NetworkComparison as NetworkComparison
from backend.contract.training import PhotoAnswer as PhotoAnswer
from backend.contract.training import Rule as Rule
from backend.contract.training import RunState as RunState
from backend.contract.training import SkippedFile as SkippedFile
from backend.contract.training import StartedBy as StartedBy
from backend.contract.training import TrainingRun as TrainingRun
from backend.contract.training import TrainingSettings as TrainingSettings
from backend.contract.versions import Comparison as Comparison
from backend.contract.versions import FilePaths as FilePaths
from backend.contract.versions import FilePrediction as FilePrediction
from backend.contract.versions import FilePredictions as FilePredictions
from backend.contract.versions import TrustSummary as TrustSummary
from backend.contract.versions import Verification as Verification
from backend.contract.versions import VersionSummary as VersionSummary
from backend.contract.webhooks import CreatedWebhook as CreatedWebhook
from backend.contract.webhooks import NewWebhook as NewWebhook
from backend.contract.webhooks import Webhook as Webhook
from backend.contract.webhooks import WebhookTopic as WebhookTopic
from serving.units import format_bytes, parse_bytes

DEFAULT_PORT = 8080
DATABASE_VARIABLE = "SERVERY_DATABASE"
"""The environment variable with the URL of the database, if that is PostgreSQL."""
EXIT_ALREADY_RUNNING = 3
"""The exit code of a backend that found another one serving its workspace."""

DEFAULT_MEMORY_BUDGET = 512 * 2**20
"""Bytes that photos in flight may take."""
MIN_MEMORY_BUDGET = 128 * 2**20
"""With less, photos of ordinary cameras would not fit."""


def parse_memory_budget(text: str) -> int:
    """Return what `--memory-budget` says, in bytes; raises ValueError with a sentence."""
    size = parse_bytes(text)
    if size < MIN_MEMORY_BUDGET:
        raise ValueError(f"At least {format_bytes(MIN_MEMORY_BUDGET)} are needed.")
    return size
