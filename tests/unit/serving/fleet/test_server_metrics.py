"""What a server says of its requests is read as it means it."""

from __future__ import annotations

import math

import pytest

from serving.fleet.server_metrics import Counters, ServerMetrics, percentile_95, read_counters
from serving.model_server.monitoring import Metrics

PETS = 'model_name="pets",API="Predict",entrypoint'
ORIGINAL = f"""\
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{{{PETS}="GRPC",le="10"}} 0
:tensorflow:serving:request_latency_bucket{{{PETS}="GRPC",le="18"}} 7
:tensorflow:serving:request_latency_bucket{{{PETS}="GRPC",le="+Inf"}} 8
:tensorflow:serving:request_latency_bucket{{{PETS}="REST",le="18"}} 1
:tensorflow:serving:request_latency_bucket{{model_name="other",API="Predict",le="18"}} 9
:tensorflow:serving:request_latency_bucket{{model_name="other",API="Predict",le="+Inf"}} 9
:tensorflow:serving:request_latency_sum{{{PETS}="GRPC"}} 99
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{{model_name="pets",status="OK"}} 8
:tensorflow:serving:request_count{{model_name="pets",status="NOT_FOUND"}} 2
:tensorflow:serving:request_count{{model_name="other",status="OK"}} 5
:tensorflow:core:saved_model_read_path 1
"""


def test_requests_of_every_outcome_and_way_in_are_counted() -> None:
    assert read_counters(ORIGINAL) == Counters(15, {10: 0, 18: 17, math.inf: 17})
    assert read_counters("") == Counters()


def test_our_own_server_is_understood() -> None:
    metrics = Metrics()
    for name in ('a "model"', 'a "model"', "another"):
        with metrics.request(name, "Predict", "GRPC"):
            pass
    counters = read_counters(metrics.prometheus_text())
    assert counters.requests == 3
    assert max(counters.latency_buckets.values()) == 3


@pytest.mark.parametrize(
    ("latency_buckets", "milliseconds"),
    [
        ([], None),
        ([(1000.0, 0), (math.inf, 0)], None),
        ([(1000.0, 0), (2000.0, 100), (math.inf, 100)], 1.95),
        ([(1000.0, 90), (2000.0, 100), (math.inf, 100)], 1.5),
        ([(1000.0, 10), (2000.0, 20), (math.inf, 100)], 2.0),
    ],
)
def test_the_percentile_of_a_histogram(
    latency_buckets: list[tuple[float, int]], milliseconds: float | None
) -> None:
    assert percentile_95(latency_buckets) == (
        None if milliseconds is None else pytest.approx(milliseconds)
    )


async def test_rate_and_latency_are_those_of_lately() -> None:
    metrics = ServerMetrics("127.0.0.1:1")
    assert metrics.requests is None
    for second in range(120):
        fast = max(0, 5 * (second - 50))
        metrics.add_sample(Counters(5 * second, {1000.0: fast, 1e6: 5 * second}), float(second))
    assert metrics.requests == 595
    assert metrics.requests_per_second == pytest.approx(5)
    assert metrics.p95_milliseconds == pytest.approx(0.95)
    await metrics.close()


async def test_an_instance_that_does_not_count_is_no_error() -> None:
    metrics = ServerMetrics("127.0.0.1:1")
    await metrics.poll()
    assert metrics.requests is None
    assert metrics.p95_milliseconds is None
    await metrics.close()
