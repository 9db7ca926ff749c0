"""The web page: complete without a network, and closed to other sites."""

from __future__ import annotations

import math
import re

import pytest

from backend.routes.page import SCRIPTS
from backend.token_roles import needed_role
from serving.class_names import MAX_CLASS_NAME
from serving.named_tokens import TokenRole
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
    for address in ("/", "/page.css", *(f"/{name}" for name in SCRIPTS)):
        text = (await service.http.get(address)).text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.M)


async def test_the_page_may_load_nothing_from_elsewhere(service: Service) -> None:
    headers = (await service.http.get("/")).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


async def test_every_element_the_scripts_ask_for_is_on_the_page(service: Service) -> None:
    page = (await service.http.get("/")).text
    scripts = await script_texts(service)
    requested = set(re.findall(r'(?:el|getElementById)\("([\w-]+)"\)', "".join(scripts)))
    assert len(requested) > 10
    assert requested <= set(re.findall(r'id="([\w-]+)"', page))
    # Parts of a card, by their class or their element.
    parts = set(re.findall(r'(?:part|find)\("\.([\w-]+)', "".join(scripts)))
    assert len(parts) > 10
    assert parts <= set(" ".join(re.findall(r'class="([\w -]+)"', page)).split())


async def test_a_script_imports_what_is_served(service: Service) -> None:
    imported = re.findall(r'from "\./([\w.]+)"', "".join(await script_texts(service)))
    assert imported
    assert {*imported, "page.js"} == set(SCRIPTS)
    for name in SCRIPTS:
        assert needed_role("GET", f"/{name}") is TokenRole.CLASSIFY


async def script_texts(service: Service) -> list[str]:
    return [(await service.http.get(f"/{name}")).text for name in SCRIPTS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_texts_can_be_read_on_what_is_behind_them(service: Service, scheme: str) -> None:
    style = (await service.http.get("/page.css")).text
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
        for part in style.split("@media (prefers-color-scheme: dark)", 1)
    )
    assert set(light) == set(dark)
    colors = light if scheme == "light" else dark
    pairs = [
        *((text, "raised") for text in ("text", "muted", "accent", "waiting", "failed")),
        *((text, "surface") for text in ("text", "muted")),
        *(("text", behind) for behind in ("sunken", "failed-soft", "accent-soft")),
        *(("failed", "failed-soft"), ("on-accent", "accent"), ("on-accent", "accent-hover")),
    ]
    low = [pair for pair in pairs if contrast(colors[pair[0]], colors[pair[1]]) < 4.5]
    assert low == []


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colors as WCAG 2 defines it, 1 to 21."""
    values = sorted(map(_luminance, (first, second)))
    return (values[1] + 0.05) / (values[0] + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


async def test_no_documentation_page_that_needs_a_network(service: Service) -> None:
    for address in ("/docs", "/redoc"):
        assert (await service.http.get(address)).status_code == 404
    schema = (await service.http.get("/openapi.json")).json()
    assert "/classify" in schema["paths"]


async def test_the_limits_on_the_page_are_those_of_the_service(service: Service) -> None:
    assert f'maxlength="{MAX_CLASS_NAME}"' in (await service.http.get("/")).text
    script = (await service.http.get("/photo_card.js")).text
    (factors,) = re.findall(r"MAX_BYTES = ([\d* ]+);", script)
    assert math.prod(map(int, factors.split("*"))) == MAX_BYTES
