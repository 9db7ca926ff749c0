"""What a person asks for who wants the image of a version; light to import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.model_image.tag import checked_tag
from serving.errors import EngineError

USER_ARGUMENT = "RUN_AS"
PROXY_ARGUMENTS = ("http_proxy", "https_proxy", "no_proxy", "ftp_proxy")
"""Engines know these, in capitals as well."""
_USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")


class ImageRequestError(EngineError):
    """Something that was asked for cannot be."""


@dataclass(frozen=True)
class ModelImageRequest:
    """The image of a version: its name, its base, and where else it goes."""

    tag: str
    base: str = ""
    """An image, or a file that `docker save` wrote; empty for the first that the engine has."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments, by name."""
    push: bool = False
    save: Path | None = None

    def checked(self) -> ModelImageRequest:
        """Return the same with a whole tag; raises ImageNameError and ImageRequestError."""
        tag = checked_tag(self.tag)
        if tag in IMAGES:
            raise ImageRequestError(f"{tag} is the name of a base.", "Choose another tag.")
        for name in self.arguments:
            if name != USER_ARGUMENT and name.lower() not in PROXY_ARGUMENTS:
                raise ImageRequestError(
                    f"The build has no argument {name}.",
                    f"It has {USER_ARGUMENT}, the user and group that the server runs as, and"
                    f" those for proxies: {', '.join(PROXY_ARGUMENTS)}.",
                )
        user = self.arguments.get(USER_ARGUMENT)
        if user is not None and not _USER.fullmatch(user):
            raise ImageRequestError(
                f"{user} is no user that a server could run as.",
                "Give its number, with that of its group after a colon: 65532:65532.",
            )
        if self.save is not None and self.save.is_dir():
            raise ImageRequestError(
                f"{self.save} is a folder.", "Name the file that the image is to be saved as."
            )
        if self.save is not None and not self.save.parent.is_dir():
            raise ImageRequestError(
                f"There is no folder {self.save.parent}.",
                "Make it, or name another file to save the image as.",
            )
        return replace(self, tag=tag)
