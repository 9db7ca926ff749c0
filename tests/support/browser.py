"""Chromium without a window, driven over its DevTools protocol by a pair of pipes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.requirements import missing
from tests.support.waiting import wait_until

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
_START_SECONDS = 60.0
_REPLY_SECONDS = 60.0


class BrowserError(Exception):
    """The browser refused a command, or a script on the page failed."""


class Browser:
    """The connection to one browser, which has any number of pages."""

    def __init__(self, reader: asyncio.StreamReader, commands: int) -> None:
        self._reader, self._commands = reader, commands
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        """Everything that the pages told, oldest first."""
        self._last_id = 0
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Carry out one command of the protocol; raises BrowserError."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        reply = self._replies[self._last_id] = asyncio.get_running_loop().create_future()
        content = json.dumps(message).encode() + b"\0"
        await asyncio.to_thread(_write, self._commands, content)
        async with asyncio.timeout(_REPLY_SECONDS):
            return await reply

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            reply = self._replies.pop(message.get("id", 0), None)
            if reply is None:
                self.events.append(message)
            elif "error" in message:
                reply.set_exception(BrowserError(message["error"]["message"]))
            elif not reply.done():
                reply.set_result(message["result"])


class Page:
    """One page of a browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session, self._seen = browser, session, 0

    async def visit(self, url: str) -> None:
        """Load an address, at 1280 by 800 pixels, for a mouse, in light colors."""
        await self.resize(1280, 800)
        await self.load(url)

    async def load(self, url: str) -> None:
        """Load an address, also the one that is shown."""
        await self.run("window.isOld = true")
        await self.call("Page.navigate", url=url)
        self._seen = len(self._browser.events)  # what comes before is of the page that was left
        await self.until("document.readyState === 'complete' && !window.isOld")

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self._session, **parameters)

    async def run(self, script: str) -> Any:
        """Return what an expression gives, once it is settled if it is a promise."""
        found = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true."""
        await wait_until(lambda: self.run(f"Boolean({script})"), details=lambda: script)

    async def text(self, selector: str) -> str:
        """Return the text of the first element that `selector` finds, as it is shown."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def texts(self, selector: str) -> list[str]:
        script = (
            f"Array.from(document.querySelectorAll({json.dumps(selector)}), (e) => e.innerText)"
        )
        return list(await self.run(script))

    async def is_shown(self, selector: str) -> bool:
        """Whether the first element that `selector` finds takes any place."""
        script = f"document.querySelector({json.dumps(selector)}).getClientRects().length > 0"
        return bool(await self.run(script))

    async def click(self, selector: str) -> None:
        """Click the middle of the first element that `selector` finds, as a mouse does."""
        x, y = await self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str, text: str = "") -> None:
        """Press and release a key: `Tab`, `Enter`, `Escape`."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        typed = {"Enter": "\r", " ": " "}.get(key, text)
        down = {"text": typed} if typed else {}
        for kind, more in (("keyDown", down), ("keyUp", {})):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code={" ": "Space"}.get(key, key),
                windowsVirtualKeyCode=codes[key],
                **more,
            )

    async def write(self, text: str) -> None:
        """Type into the element that has the focus."""
        await self.call("Input.insertText", text=text)

    async def select(self, selector: str, value: str) -> None:
        """Choose an option of the first `<select>` that `selector` finds."""
        await self.run(
            f"(() => {{ const s = document.querySelector({json.dumps(selector)});"
            f" s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change')); }})()"
        )

    async def choose(self, button: str, files: Sequence[Path]) -> None:
        """Click a button that opens a file chooser, and choose files in it."""
        await self.call("Page.setInterceptFileChooserDialog", enabled=True)
        before = len(self._choosers())
        await self.click(button)
        await wait_until(lambda: len(self._choosers()) > before)
        node = self._choosers()[-1]["params"]["backendNodeId"]
        await self.call("DOM.setFileInputFiles", files=[*map(str, files)], backendNodeId=node)

    async def drop(self, files: Sequence[Path], x: int = 200, y: int = 200) -> None:
        """Drag files from outside over the page and drop them there."""
        data = {"items": [], "files": [*map(str, files)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    async def resize(
        self, width: int, height: int, *, scheme: str = "light", touch: bool = False
    ) -> None:
        """Give the page a size in CSS pixels, a color scheme, and fingers or a mouse."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        await self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def accessibility_tree(self) -> list[dict[str, Any]]:
        """Return what assistive technology is told, one object an element that is not ignored."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            {
                "role": node.get("role", {}).get("value", ""),
                "name": node.get("name", {}).get("value", ""),
            }
            for node in nodes
            if not node["ignored"]
        ]

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is shown to a PNG file; the `whole` page, or the part in view."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))

    def errors(self) -> list[str]:
        """Return what went wrong since the page was loaded, by the page's console."""
        return [json.dumps(each["params"]) for each in self._events() if _is_error(each)]

    def _events(self) -> list[dict[str, Any]]:
        events = self._browser.events[self._seen :]
        return [event for event in events if event.get("sessionId") == self._session]

    def _choosers(self) -> list[dict[str, Any]]:
        return [each for each in self._events() if each["method"] == "Page.fileChooserOpened"]


def _is_error(event: dict[str, Any]) -> bool:
    if event["method"] == "Log.entryAdded":
        return bool(event["params"]["entry"]["level"] == "error")
    return bool(event["method"] == "Runtime.exceptionThrown")


@asynccontextmanager
async def open_browser(profile: Path) -> AsyncIterator[Browser]:
    """Start a browser that keeps everything in the folder `profile`; skips the test without one."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        missing("no Chromium, which shows the page here, is installed")
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    # It knows its ends of the pipes by these numbers.
    redirect = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", redirect, "bash", program, *_FLAGS, *sandbox),
        f"--user-data-dir={profile}",
        "about:blank",
        pass_fds=(to_browser, from_browser),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    reader = asyncio.StreamReader(limit=64 * 2**20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(answers, "rb", 0)
    )
    browser = Browser(reader, commands)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await browser.call("Browser.getVersion")
        yield browser
        with suppress(BrowserError, TimeoutError):
            await browser.call("Browser.close")
    finally:
        await browser.close()
        transport.close()
        os.close(commands)
        with suppress(ProcessLookupError):
            if process.returncode is None:
                async with asyncio.timeout(10):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def open_page(browser: Browser) -> AsyncIterator[Page]:
    """Open an empty page."""
    target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
    attached = await browser.call("Target.attachToTarget", targetId=target, flatten=True)
    page = Page(browser, attached["sessionId"])
    try:
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            await page.call(f"{domain}.enable")
        yield page
    finally:
        await browser.call("Target.closeTarget", targetId=target)


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
