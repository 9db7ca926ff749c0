"""Instances that somebody else manages: where they are, and that nobody here changes them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from serving.engines.external import ExternalEngine
from serving.engines.instance_addresses import (
    KEPT_SECONDS,
    InstanceAddresses,
    InstanceSource,
    parse_instances,
)
from serving.errors import EngineError


class Dns:
    """Answers as it is told to."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)
        self.error: OSError | None = None
        self.now = 0.0

    async def resolve(self, host: str, port: int) -> list[str]:
        if self.error is not None:
            raise self.error
        return self.hosts

    def addresses(self, text: str = "dns:serving:8500") -> InstanceAddresses:
        return InstanceAddresses(parse_instances(text), self.resolve, lambda: self.now)


def test_what_people_write_is_read() -> None:
    assert parse_instances("dns:serving:8500") == (InstanceSource("serving", 8500, True),)
    assert parse_instances("one:1, 10.0.0.2,[fd00::1]:9") == (
        InstanceSource("one", 1, False),
        InstanceSource("10.0.0.2", 8500, False),
        InstanceSource("fd00::1", 9, False),
    )
    assert parse_instances("[::1]")[0].address == "[::1]:8500"


@pytest.mark.parametrize(
    "text", ["", ",", "dns:", "one:0", "one:65536", "one:x", "http://one:1", "a b:1", "fd00::1:9"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="is no address of instances"):
        parse_instances(text)


async def test_every_address_of_a_name_is_an_instance() -> None:
    dns = Dns("10.0.0.2", "10.0.0.1", "10.0.0.2", "fd00::1")
    engine = ExternalEngine(dns.addresses())
    found = await engine.instances()
    assert [each.grpc_address for each in found] == [
        "10.0.0.1:8500",
        "10.0.0.2:8500",
        "[fd00::1]:8500",
    ]
    started = {each.id: each.started for each in found}
    dns.hosts = ["10.0.0.2", "10.0.0.3"]
    again = await engine.instances()
    assert [each.id for each in again] == ["10.0.0.2:8500", "10.0.0.3:8500"]
    assert again[0].started == started["10.0.0.2:8500"]


async def test_a_silent_dns_loses_no_instance_at_once() -> None:
    dns = Dns("10.0.0.1")
    addresses = dns.addresses()
    assert await addresses.current() == ["10.0.0.1:8500"]
    for error in (socket.gaierror(socket.EAI_AGAIN, "again"), OSError("no network")):
        dns.error = error
        assert await addresses.current() == ["10.0.0.1:8500"]
    dns.now += KEPT_SECONDS
    assert await addresses.current() == []


async def test_a_name_that_is_unknown_has_no_instances() -> None:
    dns = Dns("10.0.0.1")
    engine = ExternalEngine(dns.addresses())
    assert (await engine.availability()).usable
    dns.error = socket.gaierror(socket.EAI_NONAME, "unknown")
    assert await engine.instances() == []
    availability = await engine.availability()
    assert not availability.usable
    assert "serving:8500" in availability.reason


async def test_fixed_addresses_ask_nobody() -> None:
    dns = Dns()
    dns.error = OSError("no network")
    assert await dns.addresses("one:1,two:2,one:1").current() == ["one:1", "two:2"]


async def test_a_change_is_noticed() -> None:
    dns = Dns("10.0.0.1")
    engine = ExternalEngine(dns.addresses(), refresh=0.01)
    changes = engine.changes()
    change = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.05)
    assert not change.done()
    dns.hosts.append("10.0.0.2")
    async with asyncio.timeout(30):
        await change
    await changes.aclose()


async def test_nothing_is_started_or_stopped() -> None:
    engine = ExternalEngine(Dns("10.0.0.1").addresses())
    for refused in (
        engine.stop("10.0.0.1:8500"),
        engine.logs("10.0.0.1:8500"),
        engine.run_command("10.0.0.1:8500"),
    ):
        with pytest.raises(EngineError, match="managed elsewhere"):
            await refused
