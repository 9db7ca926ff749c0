"""Labels that a person should look at again, and what can be said about each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.contract import Conflict, IssueKind, Label, LabelIssue, LabelKind
from desktop.formats import percent
from desktop.learn.labelling.answer import NONE_OF_THESE, Answer
from desktop.learn.labelling.choices import Choice
from desktop.translation import tr


@dataclass(frozen=True)
class Doubt:
    """One label that may be wrong, or two that cannot both be right."""

    image: str
    label: str
    """What the photo is labelled; with two labels of it, the newest."""
    heading: str
    """What is the matter, in a few words."""
    sentence: str
    choices: tuple[Choice, ...]
    """What it may be in place of that; the one that Enter takes comes first."""
    other: str = ""
    """The photo that it is compared with; empty if there is none."""
    other_label: str = ""
    flaw: str = ""
    """What is wrong with the photo itself, in a word; empty if that is not what is the matter."""
    disputed: bool = False
    """Two people say different things of it."""

    @property
    def key(self) -> tuple[str, str]:
        """Identifies it while labels and versions change."""
        return self.image, self.other

    def mended(self, answer: Answer) -> tuple[tuple[str, ...], Answer]:
        """Return the photos that get `answer`, and it as it is sent: it settles the matter."""
        images = (self.image, self.other) if self.other else (self.image,)
        return images, Answer(answer.class_name, answer.kind, settles=True)

    def kept(self) -> list[tuple[tuple[str, ...], Answer]]:
        """Return what is sent to say that the labels are right as they are."""
        said: list[tuple[tuple[str, ...], Answer]] = [((self.image,), _as_answer(self.label))]
        if self.other:
            said.append(((self.other,), _as_answer(self.other_label)))
        return said


def doubts(issues: Iterable[LabelIssue], conflicts: Iterable[Conflict]) -> list[Doubt]:
    """Return what there is to look at: people who disagree first, then the worst labels."""
    found = [_of_conflict(each) for each in conflicts if len(each.labels) > 1]
    disputed = {each.image for each in found}
    return [*found, *(_of_issue(each) for each in issues if each.image not in disputed)]


def _of_conflict(conflict: Conflict) -> Doubt:
    said = [
        tr("{person} says {answer}", person=_author(label), answer=_text(label))
        for label in conflict.labels
    ]
    choices = {
        _text(label): Choice(_text(label), other=_author(label))
        for label in conflict.labels
        if label.kind is LabelKind.CLASS
    }
    return Doubt(
        conflict.image,
        conflict.labels[0].class_name,
        tr("People disagree"),
        tr("{said}. Nothing is learned from this photo until one is chosen.", said=_listed(said)),
        tuple(choices.values()),
        disputed=True,
    )


def _of_issue(issue: LabelIssue) -> Doubt:
    suggested = Choice(issue.suggested, other=tr("suggested")) if issue.suggested else None
    as_it_is = Choice(issue.class_name, other=tr("as it is"))
    flaw = ""
    match issue.kind:
        case IssueKind.DUPLICATE:
            return Doubt(
                issue.image,
                issue.class_name,
                tr("Nearly the same photo, two labels"),
                tr(
                    "One is labelled {class_name}, the other {suggested}. The"
                    " one you choose holds for both.",
                    class_name=issue.class_name,
                    suggested=issue.suggested,
                ),
                (
                    Choice(issue.class_name, other=tr("left")),
                    Choice(issue.suggested, other=tr("right")),
                ),
                issue.other,
                issue.suggested,
            )
        case IssueKind.CONTRADICTED:
            heading = tr("Labelled {class_name}", class_name=issue.class_name)
            sentence = tr(
                "The photos most like it are {suggested}. Judged by all"
                " others, {class_name} is right with {score}.",
                suggested=issue.suggested,
                class_name=issue.class_name,
                score=percent(1 - issue.score),
            )
        case _:
            flaw, explanation = _FLAWS[issue.kind]
            heading = tr("{flaw}, labelled {class_name}", flaw=flaw, class_name=issue.class_name)
            sentence = f"{explanation} {_NONE_ADVICE}"
    choices = [as_it_is] if suggested is None else [suggested, as_it_is]
    return Doubt(issue.image, issue.class_name, heading, sentence, tuple(choices), flaw=flaw)


_FLAWS = {
    IssueKind.DARK: (tr("Dark"), tr("It is so dark that little can be learned from it.")),
    IssueKind.BLURRED: (tr("Blurred"), tr("It is so blurred that little can be learned from it.")),
    IssueKind.EMPTY: (tr("Empty"), tr("Hardly anything is to be seen in it.")),
}
"""What is wrong with a photo, in a word and as a sentence."""
_NONE_ADVICE = tr("0 says that it shows none of the classes.")


def _as_answer(label: str) -> Answer:
    return Answer(label, settles=True) if label else _SETTLED_NONE


_SETTLED_NONE = Answer(kind=NONE_OF_THESE.kind, settles=True)


def _text(label: Label) -> str:
    return label.class_name or tr("none of these")


def _author(label: Label) -> str:
    return label.by or tr("somebody")


def _listed(parts: Sequence[str]) -> str:
    return (
        parts[0]
        if len(parts) == 1
        else tr("{others} and {last}", others=", ".join(parts[:-1]), last=parts[-1])
    )
