"""GET /metrics, and the dashboard in `docs/` that shows what is there."""

from __future__ import annotations

import json
import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.support.backend_env import MODEL, Service
from tests.support.sample_images import image_bytes

DASHBOARD = ROOT / "docs" / "grafana" / "servery.json"


async def samples(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await service.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_what_happened_is_counted(service: Service) -> None:
    await service.http.post("/classify", content=image_bytes())
    await service.http.post("/classify", content=b"no photo")
    await service.http.get(f"/models/{MODEL}/versions")
    await service.http.request("BREW", "/nothing/at/all")
    await service.client.label(image_bytes(), "cat")
    found = await samples(service)
    requests, seconds = "servery_http_requests_total", "servery_http_request_seconds_count"
    assert found[key(requests, method="POST", route="/classify", status="200")] == 1
    assert found[key(requests, method="POST", route="/classify", status="415")] == 1
    route = "/models/{model}/versions"
    assert found[key(requests, method="GET", route=route, status="200")] == 1
    assert found[key(requests, method="any", route="none", status="404")] == 1
    assert found[key(seconds, route="/classify")] == 2
    assert found[key("servery_labels", model=MODEL)] == 1
    assert found[key("servery_photo_queue_limit")] == service.queue.limit
    assert found[key("servery_photo_queue_requests")] == 0
    assert found[key("servery_http_requests_in_flight")] == 1  # itself
    assert found[key("servery_instances_ready")] == service.fleet.view.can_answer


def texts(part: Any) -> list[str]:
    """Return every query of a dashboard."""
    if isinstance(part, dict):
        own = [text for name, text in part.items() if name in ("expr", "query")]
        return own + [text for each in part.values() for text in texts(each)]
    return [text for each in part for text in texts(each)] if isinstance(part, list) else []


async def test_the_dashboard_shows_metrics_that_there_are(service: Service) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    names = {n for text in texts(dashboard) for n in re.findall(r"(?:servery|process)_\w+", text)}
    text = (await service.http.get("/metrics")).text
    families = {family.name for family in text_string_to_metric_families(text)}
    missing = {n for n in names if re.sub(r"_(total|bucket|sum|count)$", "", n) not in families}
    assert not missing
    # And shows each of ours, so that a new one is not forgotten.
    assert {name for name in families if name.startswith("servery_")} <= {
        re.sub(r"_(total|bucket)$", "", name) for name in names
    }
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
