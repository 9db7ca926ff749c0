"""Counting requests."""

from __future__ import annotations

import asyncio

import pytest

from serving.model_server.monitoring import Metrics
from serving.tf.status import not_found


def test_requests_are_counted_by_outcome() -> None:
    metrics = Metrics()
    for _ in range(2):
        with metrics.request("m", "Predict", "GRPC"):
            pass
    with pytest.raises(Exception, match="nothing"), metrics.request("m", "Predict", "GRPC"):
        raise not_found("nothing")
    with pytest.raises(asyncio.CancelledError), metrics.request("m", "Predict", "GRPC"):
        raise asyncio.CancelledError
    lines = metrics.prometheus_text().splitlines()
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 2' in lines
    assert ':tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1' in lines
    assert ':tensorflow:serving:request_count{model_name="m",status="CANCELLED"} 1' in lines
    labels = 'model_name="m",API="Predict",entrypoint="GRPC"'
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 2" in lines
    buckets = [line for line in lines if "_bucket" in line]
    counts = [int(line.rsplit(" ", 1)[1]) for line in buckets]
    assert counts == sorted(counts)
    assert buckets[-1].endswith('le="+Inf"} 2')


def test_names_are_escaped() -> None:
    metrics = Metrics()
    with metrics.request('a"b\\c\n', "Predict", "GRPC"):
        pass
    assert 'model_name="a\\"b\\\\c\\n"' in metrics.prometheus_text()


def test_requests_that_fail_before_their_model_is_known_are_counted_without_it() -> None:
    metrics = Metrics()
    with metrics.failures(""):
        pass
    with pytest.raises(Exception, match="nothing"), metrics.failures(""):
        raise not_found("nothing")
    with pytest.raises(asyncio.CancelledError), metrics.failures("m"):
        raise asyncio.CancelledError
    assert metrics.prometheus_text().splitlines() == [
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1',
        ':tensorflow:serving:request_count{model_name="m",status="CANCELLED"} 1',
    ]
