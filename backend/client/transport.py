"""How requests reach a backend: in plain text or encrypted, as its address says."""

from __future__ import annotations

import ssl

import httpx

from backend.peer import is_loopback


class BackendTransport(httpx.AsyncBaseTransport):
    """Sends requests by the scheme and the host of their address.

    A certificate is checked against the authorities that the system knows, except at loopback:
    it names the machine as others know it, and who listens there is known by the user instead.
    """

    def __init__(self) -> None:
        self._plain: httpx.AsyncHTTPTransport | None = None
        self._unchecked: httpx.AsyncHTTPTransport | None = None
        self._checked: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; called by httpx."""
        return await self._for(request.url).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections; called by httpx."""
        for transport in (self._plain, self._unchecked, self._checked):
            if transport is not None:
                await transport.aclose()

    def _for(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        if url.scheme != "https":
            # Of no authority: to read the certificates of all takes 20 ms.
            none = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._plain = self._plain or httpx.AsyncHTTPTransport(verify=none)
            return self._plain
        if is_loopback(url.host):
            if self._unchecked is None:
                any_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                any_certificate.check_hostname = False
                any_certificate.verify_mode = ssl.CERT_NONE
                self._unchecked = httpx.AsyncHTTPTransport(verify=any_certificate)
            return self._unchecked
        if self._checked is None:
            self._checked = httpx.AsyncHTTPTransport(verify=ssl.create_default_context())
        return self._checked
