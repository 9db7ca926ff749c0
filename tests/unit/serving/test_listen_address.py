"""Where a service may listen, and where it says that it answers."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest

from serving.access_token import AccessToken
from serving.listen_address import ListenAddress, ListenError, checked_host_name


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8", "::ffff:127.0.0.1"])
def test_loopback_needs_no_token(host: str, tmp_path: Path) -> None:
    address = ListenAddress.resolve(host)
    address.check(AccessToken(tmp_path / "token"))
    assert address.is_loopback
    assert address.warning() == ""
    assert address.urls_elsewhere(8080) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::7", "::ffff:0.0.0.0"])
def test_beyond_loopback_a_token_comes_first(host: str, tmp_path: Path) -> None:
    address, token = ListenAddress.resolve(host), AccessToken(tmp_path / "token")
    with pytest.raises(ListenError, match="no token") as refused:
        address.check(token)
    assert "`servery token`" in refused.value.advice
    assert "encrypted only with --tls-certificate" in refused.value.advice
    token.path.write_text("short")
    with pytest.raises(ListenError):
        address.check(token)
    token.renew()
    address.check(token)
    assert "Nothing" in address.warning()


@pytest.mark.parametrize("host", ["", " ", "ä" * 70, "no.such.host.invalid", "a b", "127.0.0.1:80"])
def test_what_is_no_address_is_said(host: str) -> None:
    with pytest.raises(ListenError, match="There is no address"):
        ListenAddress.resolve(host)


def test_a_service_on_every_address_names_those_of_the_machine() -> None:
    expected = {
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith(("127.", "169.254."))
    }
    urls = ListenAddress("0.0.0.0").urls_elsewhere(81)
    assert {url.removeprefix("http://").removesuffix(":81") for url in urls} == expected
    assert ListenAddress("2001:db8::7").urls_elsewhere(81) == ["http://[2001:db8::7]:81"]
    assert all("[fe80" not in url for url in ListenAddress("::").urls_elsewhere(81))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Photos.Example", "photos.example"),
        ("nas.", "nas"),
        ("büro.test", "xn--bro-hoa.test"),
    ],
)
def test_a_host_name_is_as_browsers_send_it(given: str, sent: str) -> None:
    assert checked_host_name(given) == sent


@pytest.mark.parametrize(
    "name", ["", "*", "*.example", "http://nas", "nas:8080", "a b", "nas/", "-x", "\x1b[31m", "."]
)
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(ListenError, match="is no host name"):
        checked_host_name(name)
