"""What an instance itself reports about its requests, no matter who sent them."""

from __future__ import annotations

import re
import ssl
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import httpx

from serving.socket_address import socket_path

METRICS_PATH = "/monitoring/prometheus/metrics"
POLL_SECONDS = 1.0
"""Between two polls of one instance."""
TIMEOUT_SECONDS = 2.0
RATE_SECONDS = 10.0
"""The rate is counted over this long."""
LATENCY_SECONDS = 60.0
"""The 95th percentile is taken over this long."""

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency_bucket"
_LINE = re.compile(r"^(?P<name>[^{\s]+)\{(?P<labels>.*)\}\s(?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Counters:
    """Everything since the server was started."""

    requests: int = 0
    """Of any outcome."""
    latency_buckets: dict[float, int] = field(default_factory=dict)
    """How many answers took at most so many microseconds, by that bound."""


def read_counters(page: str) -> Counters:
    """Read a page in Prometheus' text format, adding up what it says of each model.

    Raises ValueError or OverflowError if it is not such a page.
    """
    requests = 0
    latency_buckets: dict[float, int] = {}
    for line in page.splitlines():
        found = _LINE.match(line)
        if found is None or found["name"] not in (_COUNT, _LATENCY):
            continue
        labels = dict(_LABEL.findall(found["labels"]))
        value = int(float(found["value"]))
        if found["name"] == _COUNT:
            requests += value
        else:
            bound = float(labels.get("le", "inf"))
            latency_buckets[bound] = latency_buckets.get(bound, 0) + value
    return Counters(requests, latency_buckets)


class ServerMetrics:
    """Polls one instance; has no figures of one that does not count."""

    def __init__(self, rest_address: str) -> None:
        self.address = rest_address
        path = socket_path(rest_address)
        # Of no authority, since this speaks plain HTTP: to read their certificates takes 20 ms.
        no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.AsyncClient(
            base_url=f"http://{rest_address if path is None else 'localhost'}",
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(verify=no_authorities, uds=path),
        )
        self._samples: deque[tuple[float, Counters]] = deque()
        self._polled_at = float("-inf")

    async def poll(self) -> None:
        """Ask once, unless that was done a moment ago; no answer is not an error."""
        now = time.monotonic()
        if now - self._polled_at < POLL_SECONDS:
            return
        self._polled_at = now
        try:
            response = await self._http.get(METRICS_PATH)
            response.raise_for_status()
            counters = read_counters(response.text)
        except (httpx.HTTPError, ValueError, OverflowError):
            return
        self.add_sample(counters, time.monotonic())

    def add_sample(self, counters: Counters, now: float) -> None:
        """Record an answer that came at `now`, in monotonic seconds."""
        self._samples.append((now, counters))
        while now - self._samples[0][0] > LATENCY_SECONDS:
            self._samples.popleft()

    @property
    def requests(self) -> int | None:
        """How many requests it got since it was started; None if it does not say."""
        return self._samples[-1][1].requests if self._samples else None

    @property
    def requests_per_second(self) -> float:
        """Over the last 10 s."""
        recent = [sample for sample in self._samples if self._age(sample[0]) <= RATE_SECONDS]
        if len(recent) < 2:
            return 0.0
        (first, before), (last, after) = recent[0], recent[-1]
        return max(0, after.requests - before.requests) / (last - first)

    @property
    def p95_milliseconds(self) -> float | None:
        """Of the last minute, as exact as the server's histogram; None without a request."""
        if len(self._samples) < 2:
            return None
        before, after = self._samples[0][1].latency_buckets, self._samples[-1][1].latency_buckets
        return percentile_95(
            sorted((bound, count - before.get(bound, 0)) for bound, count in after.items())
        )

    async def close(self) -> None:
        await self._http.aclose()

    def _age(self, when: float) -> float:
        return self._samples[-1][0] - when


def percentile_95(latency_buckets: Iterable[tuple[float, int]]) -> float | None:
    """Return the 95th percentile in milliseconds of a histogram in microseconds.

    `latency_buckets` says how many took at most how long, by rising time. Within a
    bucket the answers are taken to lie evenly, as Prometheus does.
    """
    rows = [(0.0, 0), *latency_buckets]
    rank = 0.95 * rows[-1][1]
    if rank <= 0:
        return None
    for (low, before), (high, until) in pairwise(rows):
        if until >= rank:
            if high == float("inf"):
                return low / 1000
            share = (rank - before) / (until - before)
            return (low + share * (high - low)) / 1000
    return None
