"""Sentences of the dialog that imports a model."""

from __future__ import annotations

from desktop.formats import count, percent, plural, size
from desktop.model_imports import FORMATS
from desktop.model_trust import what_it_can_do
from desktop.models.importing.draft import ImportDraft
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from serving.importing.interface import (
    Channels,
    InputKind,
    Interface,
    ModelFormat,
    ModelInspection,
    OutputKind,
    Preview,
    Resize,
    ValueRange,
)

NO_CODE = tr(
    "Servery reads the file in a program of its own, with limits and without"
    " the network, and runs no code that is in it."
)
TRUSTED = tr("You trust this model, so its graph is run with all that it can do.")
VALUE_RANGES = {
    ValueRange.BYTES: tr("0 to 255"),
    ValueRange.UNIT: tr("0 to 1"),
    ValueRange.SIGNED: tr("-1 to 1"),
    ValueRange.IMAGENET: tr("Normalized as by PyTorch (ImageNet)"),
    ValueRange.CAFFE: tr("0 to 255 less the mean (Caffe)"),
}
CHANNELS = {Channels.RGB: tr("Red, green, blue"), Channels.BGR: tr("Blue, green, red")}
RESIZES = {
    Resize.CROP: tr("Cut out the middle"),
    Resize.STRETCH: tr("Stretch"),
    Resize.PAD: tr("Fit, and fill with black"),
}
OUTPUT_WORDS = {OutputKind.SCORES: tr("Scores"), OutputKind.LOGITS: tr("Logits (softmax is added)")}
_SHOWN_LABELS = 4


def file_sentence(found: ModelInspection) -> str:
    """Return `A Keras file, 14 MB.`"""
    kind = FORMATS[found.format]
    return f"{kind[0].upper()}{kind[1:]}, {size(found.size_bytes)}."


def safety_sentence(draft: ImportDraft) -> str:
    """Say what loading the file runs."""
    return TRUSTED if draft.trust else NO_CODE


def trust_explanation(draft: ImportDraft) -> str:
    """Say what a model that is not trusted yet could do; empty if there is nothing."""
    if not draft.needs_trust or draft.found is None:
        return ""
    return what_it_can_do(draft.path.name, draft.found.unsafe_operations)


def problem_sentence(draft: ImportDraft) -> str:
    """Say why the model cannot be imported as it is; empty if it can, or is trusted first."""
    if draft.problem:
        return translated(f"{draft.problem} {draft.advice}".strip())
    if draft.found is None or draft.is_looking or draft.needs_trust:
        return ""
    if draft.found.problems:
        return " ".join(draft.found.problems)
    if draft.interface is not None and draft.found.labels is None:
        number = draft.interface.classes
        return tr_plural(
            "Nothing says what the {count} class is called. Choose a file with its name.",
            "Nothing says what the {count} classes are called. Choose a file with"
            " one name a line, in the order of the scores.",
            number,
        ).format(count=count(number))
    return ""


def classes_sentence(draft: ImportDraft) -> str:
    """Return the number of classes beside the number of labels."""
    found, interface = draft.found, draft.interface
    if found is None or interface is None:
        return ""
    scores = plural(interface.classes, "score")
    if found.labels is None:
        return tr("{scores}, no labels", scores=scores)
    labels = plural(len(found.labels), "label")
    if not found.labels_from:
        return f"{scores}, {labels}"
    return tr(
        "{scores}, {labels} from {source}", scores=scores, labels=labels, source=found.labels_from
    )


def labels_sentence(found: ModelInspection) -> str:
    """Return the first labels in their order: `zebra, cat, t-shirt`."""
    labels = found.labels or ()
    more = ", …" if len(labels) > _SHOWN_LABELS else ""
    return f"{', '.join(labels[:_SHOWN_LABELS])}{more}"


def input_sentence(interface: Interface) -> str:
    """Return `224 by 224 pixels`."""
    if interface.takes is InputKind.JPEG:
        return tr("Whole JPEG files, which it decodes itself")
    width, height = interface.width, interface.height
    if interface.channels is Channels.GRAY:
        return tr("{width} by {height} pixels, black and white", width=width, height=height)
    return tr("{width} by {height} pixels", width=width, height=height)


def learning_sentence(interface: Interface) -> str:
    """Say from what the model can be taught."""
    if interface.embedding_size is None:
        return tr("From its scores alone: no layer below them was found")
    return tr("From the {count} numbers below its scores", count=count(interface.embedding_size))


def versions_sentence(found: ModelInspection) -> str:
    """Return `All 3 versions, not only 7`; empty if there is one."""
    if found.format is not ModelFormat.SERVING_FOLDER or len(found.versions) < 2:
        return ""
    return tr(
        "Import all {count} versions, not only {newest}",
        count=len(found.versions),
        newest=found.versions[-1],
    )


def origin(draft: ImportDraft, *names: str) -> str:
    """Say where facts come from: the person, the file, or a guess."""
    if draft.interface is None:
        return ""
    if any(name in draft.said for name in names):
        return tr("as you say")
    return tr("guessed") if draft.is_guessed(*names) else tr("in the file")


def photos_sentence(draft: ImportDraft) -> str:
    """Say what the photos show, or what to do for it."""
    if draft.interface is None:
        return ""
    if not draft.photos:
        return tr("Drop photos here, or choose some, to see what the model answers.")
    if draft.interface.guessed:
        names = sorted({_FACTS[name] for name in draft.interface.guessed})
        return tr(
            "If these answers are wrong, correct what was guessed: {names}.", names=", ".join(names)
        )
    return tr("What the model answers for photos of yours.")


_FACTS = {
    "height": tr("the size"),
    "width": tr("the size"),
    "value_range": tr("the values of pixels"),
    "channels": tr("the order of colors"),
    "resize": tr("how photos are resized"),
    "gives": tr("what it gives"),
}


def preview_lines(preview: Preview, limit: int) -> list[tuple[str, str]]:
    """Return the best classes and their scores, or the problem of the photo."""
    if preview.problem:
        return [(preview.problem, "")]
    return [(each.name, percent(each.score)) for each in preview.scores[:limit]]
