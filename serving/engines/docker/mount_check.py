"""Whether a mounted folder is the folder of this machine: tried, not guessed.

An engine on a socket of this machine may run in a virtual machine or in a
container, and one on another machine may have a folder of the same name.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from docker import APIClient

log = logging.getLogger(__name__)

NOT_FOUND = 404


def is_mounted(client: APIClient, container: str, folder: Path) -> bool:
    """Return whether a container with `folder` mounted at the same path has this very folder.

    It need not run. A file that exists for a moment only is looked for in it;
    servers ignore such a file.
    """
    token = folder / f".seen-{secrets.token_hex(6)}"
    try:
        token.touch(exist_ok=False)
    except OSError as error:
        log.warning("Cannot write to %s: %s", folder, error.strerror)
        return False
    try:
        return file_exists(client, container, token)
    finally:
        token.unlink(missing_ok=True)


def file_exists(client: APIClient, container: str, path: Path) -> bool:
    """Return whether a file exists in a container, which need not run."""
    url = f"{client.base_url}/v{client.api_version}/containers/{container}/archive"
    answer = client.head(url, params={"path": str(path)}, timeout=client.timeout)
    if answer.status_code == NOT_FOUND:
        return False
    answer.raise_for_status()
    return True
