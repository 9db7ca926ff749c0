"""Images for stacks that run here: API and trainer, and stand-ins for what is pulled elsewhere.

The model server is in the trainer's image already, with TensorFlow, so the one of a version is
built on that; PostgreSQL is this machine's.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from serving.engines.docker import image
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.build import build_from_files
from serving.engines.docker.image.constants import OWN_LABEL
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.model_image import labels as model_labels
from serving.engines.docker.model_image.contents import build_files
from serving.engines.docker.model_image.dockerfile import RUN_AS, dockerfile
from serving.engines.docker.stack_images.build import StackImage, build_stack_image
from serving.engines.docker.tar_archive import Member
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.stack.plan import StackFormat, StackPlan
from tests.support.docker.images import TOKEN, base, shared
from tests.support.requirements import missing
from tests.support.tiny_model import install_tiny

MODEL = "pets"
API_VARIABLE, TRAINER_VARIABLE = "SERVERY_TEST_API_IMAGE", "SERVERY_TEST_TRAINER_IMAGE"
"""Name images of API and trainer that are there already, to save building them."""
_POSTGRES = b"""\
ARG BASE
ARG BUILD_ID
FROM ${BASE}
COPY root /
RUN echo postgres:x:999:999::/var/lib/postgresql:/bin/sh >> /etc/passwd \\
    && mkdir -p /var/lib/postgresql/data && chown -R 999:999 /var/lib/postgresql && ldconfig
ENV PATH=FOLDER/bin:/usr/bin:/bin
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["/usr/bin/start-postgres"]
"""
_START_POSTGRES = b"""\
#!/bin/sh
# As the official image does, in short: a database of this name and user, with the password's file.
set -eu
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 \\
        --auth-local=trust --encoding=UTF8 --no-locale --no-sync
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
# It is there already, unless this is the first start.
echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres || true
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
"""


@contextmanager
def local_stack(run_folder: Path) -> Iterator[StackPlan]:
    """Yield a stack of images that are built here, and shared by all processes of this test run.

    `run_folder` is a folder that they have in common. Skips where PostgreSQL is missing.
    """
    if postgres_folder() is None:
        missing("PostgreSQL is not installed")
    with ExitStack() as stack:

        def built(name: str, build: Callable[[str], None], variable: str = "") -> str:
            named = os.environ.get(variable)
            return named or stack.enter_context(shared(name, run_folder, build))

        trainer = built("stack-trainer", partial(_build, StackImage.TRAINER), TRAINER_VARIABLE)
        serving = partial(_build_serving_image, trainer=trainer)
        yield StackPlan(
            StackFormat.COMPOSE,
            built("stack-serving", serving),
            name=f"servery-test-{TOKEN}",
            own_server=True,
            api_image=built("stack-api", partial(_build, StackImage.API), API_VARIABLE),
            trainer_image=trainer,
            postgres_image=built("stack-postgres", _build_postgres_image),
            instance_memory=10**9,
            instance_cpus=1.0,
            # As good as free: others take theirs elsewhere.
            port=20000 + int(TOKEN, 16) % 10000,
        )


def _build(target: StackImage, tag: str) -> None:
    asyncio.run(_build_stack_image(target, tag))


async def _build_stack_image(target: StackImage, tag: str) -> None:
    connection = EngineConnection()
    try:
        await build_stack_image(ImageStore(connection), target, tag, str(base()))
    finally:
        await connection.close()


def _build_serving_image(tag: str, trainer: str) -> None:
    """Build an image of the tiny model on a model server made of the trainer's image."""
    entrypoint = Path(image.__file__).with_name("tf_serving_entrypoint.sh")
    program = f"/usr/bin/{entrypoint.name}"

    async def build(version: Version) -> None:
        labels = {OWN_LABEL: "test", model_labels.MODEL: MODEL, model_labels.VERSION: "1"}
        recipe = dockerfile(MODEL, version.number, labels, base_user=RUN_AS)
        members = [
            *build_files(version, f'{recipe}ENTRYPOINT ["{program}"]\n'),
            Member.of(f"image{program}", entrypoint, executable=True),
        ]
        connection = EngineConnection()
        try:
            await build_from_files(ImageStore(connection), tag, trainer, members)
        finally:
            await connection.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(build(install_tiny(ModelRepository(Path(folder)), MODEL)))


def postgres_folder() -> Path | None:
    """Return the folder of this machine's PostgreSQL; None if it has none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parents[1] if found else None


def _build_postgres_image(tag: str) -> None:
    """Build an image of this machine's PostgreSQL that begins as the official one does."""
    members = [
        _text("Dockerfile", _POSTGRES.replace(b"FOLDER", str(postgres_folder()).encode())),
        _text("root/usr/bin/start-postgres", _START_POSTGRES, executable=True),
        *_postgres_files(),
    ]

    async def build() -> None:
        connection = EngineConnection()
        try:
            await build_from_files(ImageStore(connection), tag, str(base()), members)
        finally:
            await connection.close()

    asyncio.run(build())


def _postgres_files() -> Iterator[Member]:
    folder = postgres_folder()
    assert folder is not None
    programs = [folder / "bin" / name for name in ("postgres", "initdb", "pg_isready")]
    for program in programs:
        yield Member.of(f"root{program}", program, executable=True)
    version = folder.name
    for file in sorted(Path("/usr/share/postgresql", version).rglob("*")):
        if file.is_file():
            yield Member.of(f"root{file}", file)
    libraries = [
        file
        for file in sorted((folder / "lib").rglob("*"))
        if file.is_file() and file.suffix in (".so", "") and "bitcode" not in file.parts
        if not file.name.startswith("llvmjit")
    ]
    for file in libraries:
        yield Member.of(f"root{file}", file, executable=True)
    listed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=True
    ).stdout
    for found in sorted(set(re.findall(r"/\S+\.so\S*", listed))):
        if Path(found).name.split(".")[0] not in ("libc", "ld-linux-x86-64", "libm"):
            yield Member.of(f"root/usr/local/lib/{Path(found).name}", Path(found).resolve())


def _text(name: str, text: bytes, *, executable: bool = False) -> Member:
    return Member(name, len(text), partial(io.BytesIO, text), executable)
