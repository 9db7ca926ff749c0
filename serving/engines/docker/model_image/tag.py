"""Names of images: what a container engine accepts, checked before anything is built."""

from __future__ import annotations

import re

from serving.errors import EngineError

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_TAG = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>[\w][\w.-]{{0,127}}))?",
    re.ASCII,
)
_PLACE = re.compile(r"\{[^{}]*\}")
MAX_REPOSITORY = 255
"""Characters, as registries allow."""


class ImageNameError(EngineError):
    """The text cannot be the name of an image."""


def checked_tag(text: str) -> str:
    """Return the name of an image with its tag, `latest` if it names none.

    Raises ImageNameError.
    """
    found = _TAG.fullmatch(text.strip())
    if found is None or len(found["repository"]) > MAX_REPOSITORY:
        raise ImageNameError(
            f"{text.strip() or 'An empty text'} cannot be the name of an image.",
            "Use small letters, digits and - . _ with a tag after a colon, such as"
            " waste:3 or registry.example.com/team/waste:3.",
        )
    return f"{found['repository']}:{found['tag'] or 'latest'}"


def split_tag(name: str) -> tuple[str, str]:
    """Return the repository and the tag of an image's name."""
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a colon before a slash belongs to the registry's port
        return name, "latest"
    return repository, tag


def registry_of(name: str) -> str:
    """Return the host of the registry that an image's name leads to."""
    first, slash, _ = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host else "docker.io"


def tag_of_version(pattern: str, model: str, version: int) -> str:
    """Return the name that a pattern gives the image of a version.

    `{model}` and `{version}` stand in for these. Raises ImageNameError if nothing can have that
    name, or the pattern has something else in braces.
    """
    known = {"{model}": repository_name(model), "{version}": str(version)}
    for place in _PLACE.findall(pattern):
        if place not in known:
            raise ImageNameError(
                f"{place} in the name of the image stands for nothing.",
                "Use {model} and {version}, such as registry.example.com/{model}:{version}.",
            )
    return checked_tag(_PLACE.sub(lambda found: known[found[0]], pattern))


def repository_name(model: str) -> str:
    """Return the name of a model as a repository can be called; `model` if nothing is left."""
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return name or "model"
