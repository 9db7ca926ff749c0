import pytest

from serving.predict.traffic import MAX_LATENCIES, TrafficMeter


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_sent_is_nothing_counted() -> None:
    traffic = TrafficMeter(Clock()).read(0)
    assert (traffic.requests, traffic.requests_per_second) == (0, 0)
    assert traffic.p95_milliseconds is None
    assert traffic.seconds_since_answer is None


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    clock = Clock()
    meter = TrafficMeter(clock)
    clock.now += 100
    for _ in range(50):
        meter.answered(3)
    clock.now += 9
    meter.failed()
    assert meter.read(0).requests_per_second == pytest.approx(5.1)
    clock.now += 2
    traffic = meter.read(4)
    assert traffic.requests_per_second == pytest.approx(0.1)
    assert (traffic.requests, traffic.failures, traffic.outstanding) == (51, 1, 4)
    assert traffic.seconds_since_answer == pytest.approx(11)


def test_a_young_meter_does_not_dilute_its_rate() -> None:
    clock = Clock()
    meter = TrafficMeter(clock)
    clock.now += 2
    for _ in range(20):
        meter.answered(1)
    assert meter.read(0).requests_per_second == pytest.approx(10)


def test_the_percentile_is_over_the_latest_answers() -> None:
    meter = TrafficMeter(Clock())
    for _ in range(MAX_LATENCIES):
        meter.answered(1000)
    for milliseconds in range(1, MAX_LATENCIES + 1):
        meter.answered(milliseconds)
    assert meter.read(0).p95_milliseconds == MAX_LATENCIES * 0.95
