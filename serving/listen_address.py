"""Where a service listens, who reaches it there, and what has to be so before it may."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

import psutil

from serving.access_token import AccessToken
from serving.errors import ServeryError

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)


class ListenError(ServeryError):
    """The service cannot, or may not, listen where it was asked to."""


@dataclass(frozen=True)
class ListenAddress:
    """An address of this machine, or all of its addresses."""

    host: str
    """Numeric."""

    @classmethod
    def resolve(cls, host: str) -> ListenAddress:
        """Return the address of a host name or a numeric address; raises ListenError."""
        with suppress(ValueError):  # a numeric one takes nothing of the system, which may be short
            return cls(str(ipaddress.ip_address(host)))
        try:
            # The empty name would be every address without saying so.
            found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM) if host.strip() else []
        except (OSError, UnicodeError, ValueError):
            found = []
        # IPv4 first, as people expect of "localhost".
        addresses = [str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0])]
        if not addresses:
            raise ListenError(
                f"There is no address of the name {host!r}.",
                "Give an address of this machine with --host, such as 127.0.0.1, or 0.0.0.0 for"
                " all of them.",
            )
        return cls(addresses[0])

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine reach it."""
        address = ipaddress.ip_address(self.host)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def check(self, token: AccessToken) -> None:
        """Raise ListenError if other machines would reach it and there is no token to ask for."""
        if not self.is_loopback and token.read() is None:
            raise ListenError(
                f"At {self.host} other machines reach Servery, and there is no token to ask them"
                " for yet.",
                "Make one with `servery token`, then try again. What is sent between machines, the"
                " token too, is encrypted only with --tls-certificate: without, use a network that"
                " you trust.",
            )

    def warning(self, *, encrypted: bool = False) -> str:
        """Return what people should know who listen there; empty for loopback."""
        if self.is_loopback:
            return ""
        reached = f"Other machines reach Servery at {self.host} with a token (`servery token`)."
        if encrypted:
            return reached
        return (
            f"{reached} Nothing between them and this machine is encrypted, the token neither: use"
            " a network that you trust, or give a certificate with --tls-certificate."
        )

    def urls_elsewhere(self, port: int, *, encrypted: bool = False) -> list[str]:
        """Return the URLs by which other machines reach a service that listens here."""
        own = ipaddress.ip_address(self.host)
        if self.is_loopback:
            return []
        if not own.is_unspecified:
            return [address_url(self.host, port, encrypted=encrypted)]
        family = socket.AF_INET if own.version == 4 else socket.AF_INET6
        found = [
            ipaddress.ip_address(entry.address.partition("%")[0])
            for entries in psutil.net_if_addrs().values()
            for entry in entries
            if entry.family == family
        ]
        # Link-local addresses work only with the name of an interface, which no browser takes.
        usable = [each for each in found if not each.is_loopback and not each.is_link_local]
        return [address_url(str(address), port, encrypted=encrypted) for address in usable]


def address_url(host: str, port: int, *, encrypted: bool = False) -> str:
    """Return the URL of a numeric address."""
    scheme = "https" if encrypted else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def checked_host_name(name: str) -> str:
    """Return a host name as browsers send it; raises ListenError for anything else."""
    try:
        plain = name.strip().rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        plain = ""
    if not _HOST_NAME.fullmatch(plain):
        raise ListenError(
            f"{name!r} is no host name.",
            "Give --allow-host the name alone, such as photos.example, without http:// and port.",
        )
    return plain
