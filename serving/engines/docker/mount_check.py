"""Whether a mounted folder is the folder of this machine: tried, not guessed.

An engine on a socket of this machine may run in a virtual machine or in a
container, and one on another machine may have a folder of the same name.
"""

from __future__ import annotations

import logging
from pathlib import Path

from docker import APIClient

from serving.leftovers import writer_tag

log = logging.getLogger(__name__)

NOT_FOUND = 404


def is_mounted(client: APIClient, container: str, folder: Path) -> bool:
    """Return whether a container with `folder` mounted at the same path has this very folder.

    It need not run. A file that exists for a moment only is looked for in it;
    servers ignore such a file.
    """
    token = folder / f".seen-{writer_tag()}"
    try:
        token.touch(exist_ok=False)
    except OSError as error:
        log.warning("Cannot write to %s: %s", folder, error.strerror)
        return False
    # The API answers a HEAD of an archive with the file's status; the package has no call for it.
    url = f"{client.base_url}/v{client.api_version}/containers/{container}/archive"
    try:
        answer = client.head(url, params={"path": str(token)}, timeout=client.timeout)
        if answer.status_code == NOT_FOUND:
            return False
        answer.raise_for_status()
        return True
    finally:
        token.unlink(missing_ok=True)
