"""What a backend does of all that there is to do, so that several can share the work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from serving.errors import ServeryError

ROLE_VARIABLE = "SERVERY_ROLE"
TRAINER_VARIABLE = "SERVERY_TRAINER"


class RoleError(ServeryError):
    """A backend cannot have the role that it is to have."""


class BackendRole(StrEnum):
    """One of the parts that a backend can play."""

    ALL = "all"
    API = "api"
    """Classifies, keeps labels and shows what there is; any number of them."""
    TRAINER = "trainer"
    """Trains, promotes and imports, besides what an API does; one in a workspace."""


@dataclass(frozen=True)
class RoleOptions:
    """The role of a backend, and what it needs for that."""

    role: BackendRole = BackendRole.ALL
    trainer: str = ""
    """The URL of the trainer, for an API."""

    @property
    def changes_models(self) -> bool:
        """Whether it is the one backend that trains, and changes models."""
        return self.role is not BackendRole.API

    def check(self, database: str) -> None:
        """Raise RoleError if a backend cannot play its role with a database, empty for SQLite."""
        if self.role is BackendRole.API and not database:
            raise RoleError(
                "A backend that is an API needs a database that others can reach.",
                "Name one of PostgreSQL with SERVERY_DATABASE, or leave out the role.",
            )
        if self.trainer and not _is_address(self.trainer):
            raise RoleError(
                f"{self.trainer} is no address of a trainer.",
                f"Give {TRAINER_VARIABLE} as http://HOST:PORT.",
            )


def checked_role(name: str) -> BackendRole:
    """Return the role of this name; raises RoleError."""
    try:
        return BackendRole(name)
    except ValueError:
        raise RoleError(
            f"A backend cannot have the role {name}.", f"Choose one of {', '.join(BackendRole)}."
        ) from None


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return False
