"""The parts of a stack, as every format runs them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serving.engines.docker.model_image.labels import BAKED_MODELS, BAKED_MONITORING
from serving.engines.server_flags import (
    GRPC_PORT,
    REFUSE_RELOAD,
    REST_PORT,
    START_WITH_MISSING,
    following_flags,
)
from serving.models.serving_config import CONFIG_NAME, MONITORING_NAME
from serving.stack.plan import GIB, Delivery, Limits, StackFormat, StackPlan
from serving.tf.trust import TRUSTED_NAME

USER = 65532
"""User and group of instances, API and trainer: nobody's."""
POSTGRES_USER = 999
"""The user of the official image of PostgreSQL."""
POSTGRES_PORT = 5432
POSTGRES_DATA = "/var/lib/postgresql/data"
API_PORT = 8000
WORKSPACE = "/data/workspace"
MODELS = f"{WORKSPACE}/models"
SECRETS = "/run/secrets"
TOKEN, DATABASE_URL, DATABASE_PASSWORD = "token", "database-url", "database-password"
HEALTH_PATH = "/healthz"
METRICS_PATH = "/monitoring/prometheus/metrics"
MIB = 2**20

_SERVER_ANSWERS = (
    f"exec 3<>/dev/tcp/127.0.0.1/{REST_PORT} && printf 'GET {METRICS_PATH} HTTP/1.1\\r\\n"
    "Host: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && grep -q '200 OK' <&3"
)
"""The bases of the model server have bash, and no curl."""

_TRAINER_URL = f"http://trainer:{API_PORT}"
_ENVIRONMENT = {
    "SERVERY_INSTANCES": f"dns:serving:{GRPC_PORT}",
    "SERVERY_WORKSPACE": WORKSPACE,
    "SERVERY_TOKEN_FILE": f"{SECRETS}/{TOKEN}",
    "SERVERY_DATABASE_FILE": f"{SECRETS}/{DATABASE_URL}",
}
"""Of API and trainer."""


class Volume(StrEnum):
    """What outlives a container."""

    WORKSPACE = "workspace"
    """Photos of labels, records of training runs."""
    MODELS = "models"
    DATABASE = "database"


@dataclass(frozen=True)
class Mount:
    volume: Volume
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class StackPart:
    """One kind of container of a stack."""

    name: str
    image: str
    limits: Limits
    replicas: int = 1
    command: tuple[str, ...] = ()
    """Arguments of the image's entrypoint."""
    entrypoint: tuple[str, ...] = ()
    """In place of the image's, if there is any."""
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ("/tmp",)
    """Folders in memory; all else of the root file system is read-only."""
    port: int = 0
    health: tuple[str, ...] = ()
    """Succeeds inside the container if it works; empty for the image's own check."""
    start_seconds: int = 60
    """How long it may take until it works."""
    stop_seconds: int = 30
    """How long it may take to finish what it does."""
    user: int = USER
    start_first: bool = True
    """Whether the new one may run beside the old one during an update."""


def serving(plan: StackPlan) -> StackPart:
    """Return the instances."""
    return StackPart(
        "serving",
        plan.image,
        Limits(
            plan.instance_memory,
            plan.instance_cpus,
            plan.instance_memory // 2,
            round(plan.instance_cpus / 4, 2),
            pids=1024,
        ),
        replicas=plan.instances,
        command=tuple(serving_flags(plan)),
        mounts=(
            (Mount(Volume.MODELS, MODELS, read_only=True),)
            if plan.delivery is Delivery.VOLUME
            else ()
        ),
        port=GRPC_PORT,
        health=("CMD", "bash", "-c", _SERVER_ANSWERS),
        start_seconds=300,
    )


def serving_flags(plan: StackPlan) -> list[str]:
    """Return the flags of an instance, which its image's entrypoint takes."""
    threads = max(1, math.ceil(plan.instance_cpus))
    flags = [
        f"--tensorflow_intra_op_parallelism={threads}",
        f"--tensorflow_inter_op_parallelism={threads}",
        "--enable_grpc_healthcheck_service=true",
    ]
    if plan.delivery is Delivery.IMAGE:
        flags.append(f"--monitoring_config_file={BAKED_MONITORING}")
        own = [REFUSE_RELOAD, f"--model_root={BAKED_MODELS}"]
    else:
        flags += following_flags(f"{MODELS}/{CONFIG_NAME}")
        flags.append(f"--monitoring_config_file={MODELS}/{MONITORING_NAME}")
        own = [
            START_WITH_MISSING,
            REFUSE_RELOAD,
            f"--model_root={MODELS}",
            "--refuse_unsafe_models=true",
            f"--trusted_models_file={MODELS}/{TRUSTED_NAME}",
        ]
    return flags + own if plan.own_server else flags


def seed(plan: StackPlan) -> StackPart:
    """Return what runs once: it puts the version of the image into the volume of the models."""
    return StackPart(
        "seed",
        plan.image,
        Limits(512 * MIB, 1.0, 64 * MIB, 0.1, pids=64),
        entrypoint=("bash", "/etc/servery/seed.sh"),
        environment={"SERVERY_WORKSPACE": WORKSPACE},
        mounts=(Mount(Volume.WORKSPACE, WORKSPACE), Mount(Volume.MODELS, MODELS)),
        # Docker's volumes belong to root at first.
        user=0 if plan.format is not StackFormat.KUBERNETES and not plan.shared_folder else USER,
    )


def api(plan: StackPlan) -> StackPart:
    """Return what answers over HTTP: photos, labels, everything that is read."""
    return StackPart(
        "api",
        plan.api_image,
        Limits(GIB, 2.0, 256 * MIB, 0.25),
        replicas=plan.api_replicas,
        command=("--allow-host", plan.host) if plan.host else (),
        environment={**_ENVIRONMENT, "SERVERY_ROLE": "api", "SERVERY_TRAINER": _TRAINER_URL},
        mounts=(Mount(Volume.WORKSPACE, WORKSPACE), Mount(Volume.MODELS, MODELS)),
        secrets=(TOKEN, DATABASE_URL),
        port=API_PORT,
        # Two of one node would want the same port of it.
        start_first=plan.format is StackFormat.KUBERNETES,
    )


def trainer(plan: StackPlan) -> StackPart:
    """Return what learns from labels and promotes versions; there is one of it."""
    return StackPart(
        "trainer",
        plan.trainer_image,
        Limits(4 * GIB, 2.0, GIB, 0.5),
        environment={**_ENVIRONMENT, "SERVERY_ROLE": "trainer"},
        mounts=(Mount(Volume.WORKSPACE, WORKSPACE), Mount(Volume.MODELS, MODELS)),
        secrets=(TOKEN, DATABASE_URL),
        port=API_PORT,
        start_first=False,
    )


def postgres(plan: StackPlan) -> StackPart:
    """Return the store of labels that several replicas of the API write to."""
    return StackPart(
        "postgres",
        plan.postgres_image,
        Limits(GIB, 1.0, 256 * MIB, 0.1),
        environment={
            "POSTGRES_USER": "servery",
            "POSTGRES_DB": "servery",
            "POSTGRES_PASSWORD_FILE": f"{SECRETS}/{DATABASE_PASSWORD}",
            "PGDATA": f"{POSTGRES_DATA}/pgdata",
        },
        mounts=(Mount(Volume.DATABASE, POSTGRES_DATA),),
        secrets=(DATABASE_PASSWORD,),
        scratch=("/tmp", "/var/run/postgresql"),
        port=POSTGRES_PORT,
        health=("CMD", "pg_isready", "--username=servery", "--dbname=servery"),
        user=POSTGRES_USER,
        start_first=False,
    )


def parts(plan: StackPlan) -> list[StackPart]:
    """Return every part of the stack that runs on."""
    return [serving(plan), api(plan), trainer(plan), postgres(plan)]


def secret_values(plan: StackPlan) -> dict[str, str]:
    """Return what is in each secret."""
    password = plan.database_password
    return {
        TOKEN: plan.token,
        DATABASE_PASSWORD: password,
        DATABASE_URL: f"postgresql://servery:{password}@postgres:{POSTGRES_PORT}/servery",
    }
