"""The web page: complete without a network, and closed to other sites."""

from __future__ import annotations

import math
import re

from serving.class_names import MAX_CLASS_NAME
from serving.normalize_image import MAX_BYTES
from tests.support.backend_env import Service


async def test_everything_the_page_names_is_served_here(service: Service) -> None:
    page = await service.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert named
    for address in named:
        assert (await service.http.get(f"/{address}")).status_code == 200, address


async def test_the_page_names_no_other_host(service: Service) -> None:
    for address in ("/", "/page.css", "/page.js"):
        text = (await service.http.get(address)).text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.M)


async def test_the_page_may_load_nothing_from_elsewhere(service: Service) -> None:
    headers = (await service.http.get("/")).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


async def test_every_element_the_script_asks_for_is_on_the_page(service: Service) -> None:
    page = (await service.http.get("/")).text
    script = (await service.http.get("/page.js")).text
    requested = set(re.findall(r'el\("([\w-]+)"\)', script))
    assert requested
    assert requested <= set(re.findall(r'id="([\w-]+)"', page))


async def test_no_documentation_page_that_needs_a_network(service: Service) -> None:
    for address in ("/docs", "/redoc"):
        assert (await service.http.get(address)).status_code == 404
    schema = (await service.http.get("/openapi.json")).json()
    assert "/classify" in schema["paths"]


async def test_the_limits_on_the_page_are_those_of_the_service(service: Service) -> None:
    assert f'maxlength="{MAX_CLASS_NAME}"' in (await service.http.get("/")).text
    script = (await service.http.get("/page.js")).text
    (factors,) = re.findall(r"MAX_BYTES = ([\d* ]+);", script)
    assert math.prod(map(int, factors.split("*"))) == MAX_BYTES
