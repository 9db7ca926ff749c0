"""Which HTTP requests come from another web site, by way of a person's browser.

A page on any site can make a browser send requests to 127.0.0.1; the browser says so in
`Sec-Fetch-Site` and `Origin`. And a site whose name suddenly resolves to 127.0.0.1 (DNS
rebinding) is the same site to the browser: such a request carries the site's name in `Host`.
Browsers let no page change these headers.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Of every response: no page of another site shows it, or runs it as a script."""

# Nothing but a name or an address, and a port: `urlsplit` also takes a user, a path and more ports.
_HOST = re.compile(r"(?P<name>\[[^\[\]@/?#\\]+\]|[^\[\]@/?#\\:]+)(?::[0-9]{0,5})?")
_SAME_SITE = frozenset({"same-origin", "none"})


def host_name(host: str) -> str:
    """Return the name in a `Host` header, in lower case; empty if there is none."""
    found = _HOST.fullmatch(host)
    if found is None:
        return ""
    try:
        return (urlsplit(f"//{found['name']}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


# Every request of a client names the same host.
@functools.lru_cache(maxsize=64)
def is_own_host(host: str, names: frozenset[str]) -> bool:
    """Whether a `Host` header names this machine: by an address, as localhost, or by `names`."""
    name = host_name(host)
    if not name:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_site(headers: Mapping[str, str]) -> bool:
    """Whether a request is of the service's own page, or of a program that is no browser.

    `headers` are by lower-case name.
    """
    if headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        return False
    # Browsers without Sec-Fetch-Site still send Origin with whatever changes something.
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


def printable(host: str) -> str:
    """Return a `Host` header as it can be shown in a sentence."""
    return "".join(char for char in host if char.isprintable())[:100] or "(none)"


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an ASGI request by lower-case name; of several, the first."""
    pairs: Iterable[tuple[bytes, bytes]] = reversed(scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
