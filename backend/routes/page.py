"""GET /: the web page, from files beside the code; nothing on it needs a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

SCRIPTS = (
    *("api.js", "dropped_files.js", "explanation.js", "page.js", "photo_card.js"),
    "photo_list.js",
)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in SCRIPTS},
}
ICON = Path(__file__).parents[2] / "resources" / "icons" / "servery.svg"
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    folder = resources.files("backend") / "page"
    for path, (name, media_type) in _FILES.items():
        content = (folder / name).read_bytes()
        router.add_api_route(path, _sender(content, media_type))
    router.add_api_route("/icon.svg", _sender(ICON.read_bytes(), "image/svg+xml"))
    return router


def _sender(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return send
