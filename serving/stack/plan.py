"""What a stack is to be: the choices that a person makes before files are written."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from serving.errors import ServeryError
from serving.listen_address import checked_host_name
from serving.version import VERSION

API_IMAGE = f"servery/api:{VERSION}"
TRAINER_IMAGE = f"servery/trainer:{VERSION}"
POSTGRES_IMAGE = "postgres:16"
MAX_COUNT = 1000
MIN_MEMORY = 256 * 2**20
GIB = 2**30
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_STORAGE_CLASS = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")


class StackError(ServeryError):
    """A stack cannot be written as it was asked for."""


class StackFormat(StrEnum):
    """What reads the files of a stack."""

    COMPOSE = "compose"
    SWARM = "swarm"
    KUBERNETES = "kubernetes"


class Delivery(StrEnum):
    """How a new version gets to every instance."""

    VOLUME = "volume"
    """All mount the folder of the models, which the trainer writes."""
    IMAGE = "image"
    """Each version is an image, and a rolling update replaces the instances."""


@dataclass(frozen=True)
class Limits:
    """What one container may use, and what is kept free for it."""

    memory: int
    """Bytes."""
    cpus: float
    memory_request: int
    cpu_request: float
    pids: int = 512


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class StackPlan:
    """Everything that decides the files of a stack; equal plans give equal files."""

    format: StackFormat
    image: str
    """The image of a version of a model, which every instance runs."""
    instances: int = 2
    api_replicas: int = 1
    name: str = "servery"
    """Of the Compose project, the Swarm stack, or the namespace."""
    own_server: bool = False
    """Whether the image has our own model server, whose flags the original does not know."""
    api_image: str = API_IMAGE
    trainer_image: str = TRAINER_IMAGE
    postgres_image: str = POSTGRES_IMAGE
    host: str = ""
    """Name under which browsers reach the API; empty for addresses alone."""
    port: int = 8000
    """Of the machine or node, at which the API answers."""
    shared_folder: str = ""
    """Swarm: a folder that every node has, such as a network file system; empty if none has."""
    storage_class: str = ""
    """Kubernetes: of the volume that several nodes mount; empty for the cluster's default."""
    instance_memory: int = 2 * GIB
    """Bytes that one instance may take; two versions of a model fit while one follows another."""
    instance_cpus: float = 2.0
    token: str = field(default_factory=_new_secret, repr=False)
    """What callers of the API show."""
    database_password: str = field(default_factory=_new_secret, repr=False)

    @property
    def delivery(self) -> Delivery:
        """How new versions get to the instances."""
        if self.format is StackFormat.SWARM and not self.shared_folder:
            return Delivery.IMAGE
        return Delivery.VOLUME

    def check(self) -> None:
        """Raise StackError if the files could not be used."""
        _require(
            _IMAGE.fullmatch(self.image) is not None,
            f"{self.image or 'An empty name'} is no name of an image.",
            "Name the image that `servery models image` made, such as waste:3.",
        )
        for name in (self.api_image, self.trainer_image, self.postgres_image):
            _require(
                _IMAGE.fullmatch(name) is not None,
                f"{name or 'An empty name'} is no name of an image.",
                "Name an image, such as registry.example.com/team/servery-api:1.",
            )
        _require(
            _NAME.fullmatch(self.name) is not None,
            f"{self.name!r} cannot be the name of a stack.",
            "Use up to 40 lower-case letters, digits and hyphens, a letter first.",
        )
        for count, what in ((self.instances, "instances"), (self.api_replicas, "API replicas")):
            _require(
                1 <= count <= MAX_COUNT,
                f"A stack cannot have {count} {what}.",
                f"Choose a number from 1 to {MAX_COUNT}.",
            )
        _require(
            0 < self.port < 2**16, f"{self.port} is no port.", "Choose a number from 1 to 65535."
        )
        _require(
            self.instance_memory >= MIN_MEMORY,
            "An instance needs 256 MB of memory at least.",
            "Give it 2 GB, so that two versions fit while one follows another.",
        )
        _require(
            0.1 <= self.instance_cpus <= MAX_COUNT,
            f"An instance cannot have {self.instance_cpus:g} cores.",
            "Choose a number of cores from 0.1 on.",
        )
        if self.host:
            checked_host_name(self.host)
        self._check_storage()

    def _check_storage(self) -> None:
        if self.shared_folder:
            path = PurePosixPath(self.shared_folder)
            _require(
                self.format is StackFormat.SWARM,
                "Only a Swarm stack takes a folder that all nodes have.",
                "Leave it out: Compose and Kubernetes make volumes.",
            )
            _require(
                path.is_absolute() and ".." not in path.parts and ":" not in self.shared_folder,
                f"{self.shared_folder} is no whole path of a folder.",
                "Give the path that the folder has on every node, such as /mnt/servery.",
            )
        if self.storage_class:
            _require(
                self.format is StackFormat.KUBERNETES,
                "Only Kubernetes has storage classes.",
                "Leave the storage class out.",
            )
            _require(
                _STORAGE_CLASS.fullmatch(self.storage_class) is not None,
                f"{self.storage_class!r} is no storage class.",
                "List them: `kubectl get storageclass`.",
            )


def _require(holds: bool, what: str, advice: str) -> None:
    if not holds:
        raise StackError(what, advice)
