"""The web page in Chromium: photos come in every way, and answers, labels and errors are shown."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from serving.workspace import Workspace
from tests.support.backend_env import backend_on_thread, repository_with_live_version
from tests.support.browser import Browser, Page, open_browser, open_page
from tests.support.databases import rows
from tests.support.page_service import PageService, answered, explanation, model, refusal
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

PETS = model("pets", current=True, classes=("cat", "dog"))
ZOO = model("big zoo", classes=("zebra",))
ANSWERED = "document.querySelectorAll('.photo .scores:not([hidden])').length"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with open_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def service() -> AsyncIterator[PageService]:
    async with PageService().serving() as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(browser: Browser) -> AsyncIterator[Page]:
    async with open_page(browser) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(opened: Page, service: PageService) -> Page:
    await opened.visit(service.url)
    await ready(opened)
    return opened


async def ready(page: Page) -> None:
    await page.until("document.querySelector('#status').dataset.state === 'ready'")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{color}.jpg" for color in ("red", "lime", "blue", "teal", "pink", "tan")]
    for path in paths:
        path.write_bytes(image_bytes(path.stem))
    return paths


async def classified(page: Page, photos: list[Path]) -> None:
    """Drop photos on a page that has none yet, and wait for all answers."""
    await page.drop(photos)
    await page.until(f"{ANSWERED} === {len(photos)}")


async def focused(page: Page) -> str:
    script = "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
    return str(await page.run(script))


async def test_each_of_many_dropped_photos_gets_its_bars_or_its_own_error(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    async def classify(name: str, _: dict[str, str]) -> Any:
        if name == "blue.jpg":
            return refusal(422, "The image is damaged.", "Save it again.")
        return answered("pets", name.partition(".")[0], "dog")

    service.classify = classify
    await page.drop(photos)
    await page.until(f"{ANSWERED} === 5 && document.querySelector('.failure:not([hidden])')")
    # In their order, whatever was answered first.
    assert await page.texts(".photo h3") == [path.name for path in photos]
    assert await page.texts(".photo li:first-child .name") == ["red", "lime", "teal", "pink", "tan"]
    assert await page.texts(".failure:not([hidden]) p") == ["The image is damaged. Save it again."]
    await page.until("document.querySelector('#batch-text').innerText.includes('without')")
    assert await page.text("#batch-text") == "6 photos, 1 without an answer"
    assert await page.text("#announcement") == "5 photos classified, 1 without an answer."
    # One error costs the others nothing, and can be tried again alone.
    service.classify = None
    await page.click(".photo:nth-child(3) .again")
    await page.until(f"{ANSWERED} === 6")
    assert await page.text("#announcement") == "blue.jpg: cat, 80%"
    assert len(service.sent("POST", "/classify")) == 7


async def test_files_are_chosen_and_later_ones_come_first(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    await page.choose("#choose", photos[:1])
    await page.until(f"{ANSWERED} === 1")
    assert await page.is_shown(".single .photo .by"), "one photo has room for everything"
    await page.choose("#choose", photos[1:3])
    await page.until(f"{ANSWERED} === 3")
    assert await page.texts(".photo h3") == ["lime.jpg", "blue.jpg", "red.jpg"]
    assert not await page.is_shown(".photo .by")


async def test_photos_are_pasted(page: Page, service: PageService, photos: list[Path]) -> None:
    contents = [base64.b64encode(path.read_bytes()).decode() for path in photos[:2]]
    await page.run(
        "(() => { const data = new DataTransfer();"
        f" {contents!r}.forEach((text, place) => data.items.add(new File("
        "[Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], `pasted-${place}.jpg`)));"
        " document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data })); })()"
    )
    await page.until(f"{ANSWERED} === 2")
    sent = {each["file"] for each in service.sent("POST", "/classify")}
    assert sent == {"pasted-0.jpg", "pasted-1.jpg"}


async def test_the_photos_of_a_dropped_folder_are_taken(
    page: Page, service: PageService, photos: list[Path], tmp_path: Path
) -> None:
    inner = tmp_path / "album" / "summer"
    inner.mkdir(parents=True)
    photos[0].rename(inner / "red.jpg")
    photos[1].rename(inner.parent / "lime.jpg")
    (inner / "notes.txt").write_text("no photo")
    await page.drop([inner.parent, photos[2]])
    await page.until(f"{ANSWERED} === 3")
    assert sorted(await page.texts(".photo h3")) == ["blue.jpg", "lime.jpg", "red.jpg"]


async def test_progress_is_shown_and_stopped(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    gone, let_go = [], asyncio.Event()

    async def classify(name: str, _: dict[str, str]) -> Any:
        if name != "red.jpg":
            gone.append(name)
            await let_go.wait()
        return answered("pets", "cat")

    service.classify = classify
    await page.drop(photos)
    await page.until(f"{ANSWERED} === 1")
    await wait_until(lambda: len(gone) == 4)
    assert await page.text("#batch-text") == "1 of 6 photos classified"
    assert await page.run("document.querySelector('#batch-progress').value") == pytest.approx(1 / 6)
    await page.click("#stop")
    await page.until("document.querySelectorAll('.failure:not([hidden])').length === 5")
    assert not await page.is_shown("#stop")
    assert len(gone) == 4, "the last one was never sent"
    let_go.set()
    await page.click(".photo:last-child .again")
    await page.until(f"{ANSWERED} === 2")


async def test_what_the_service_has_no_room_for_is_sent_again(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    refused = 0

    async def classify(*_: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused > 1:
            return answered("pets", "cat")
        answer = refusal(429, "Too many photos wait.", "Try later.")
        answer.headers["Retry-After"] = "1"
        return answer

    service.classify = classify
    await page.drop(photos[:1])
    await page.until("document.querySelector('.state').innerText === 'Waiting for room…'")
    await page.until(f"{ANSWERED} === 1")


async def test_confirming_correcting_and_undoing(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    await classified(page, photos[:2])
    await page.click(".photo:nth-child(1) .right")
    await page.until("document.querySelector('.photo:nth-child(1) .saved').innerText")
    await page.click(".photo:nth-child(2) .wrong")
    await page.write("zebra")
    await page.press("Enter")
    await page.until("document.querySelector('.photo:nth-child(2) .saved').innerText")
    assert service.sent("POST", "/labels") == [
        {"class": "cat", "model": "pets", "file": "red.jpg"},
        {"class": "zebra", "model": "pets", "file": "lime.jpg"},
    ]
    assert await page.text(".photo:nth-child(2) .saved") == "Saved: dog."
    assert await focused(page) == "Undo the label of lime.jpg"
    await page.press("Enter")
    await page.until("document.querySelector('.photo:nth-child(2) .confirm').checkVisibility()")
    assert service.sent("DELETE", "/labels/7") == [{}]
    assert await page.text(".photo:nth-child(1) .saved") == "Saved: dog.", "only its own"


async def test_a_label_that_is_refused_leaves_the_answer(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    service.answers["POST /labels"] = refusal(503, "The disk is full.", "Make room.")
    await classified(page, photos[:1])
    await page.click(".right")
    await page.until("document.querySelector('.failure').checkVisibility()")
    assert await page.text(".failure p") == "The disk is full. Make room."
    assert await page.is_shown(".scores")
    assert await page.is_shown(".right")


async def test_everything_is_done_with_the_keyboard(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    await classified(page, photos[:2])
    await page.run("document.querySelector('#clear').focus()")
    walked = []
    for _ in range(8):
        await page.press("Tab")
        walked.append(await focused(page))
        visible = "getComputedStyle(document.activeElement).outlineStyle === 'solid'"
        assert await page.run(visible), walked[-1]
    assert walked == [
        each.format(name)
        for name in ("red.jpg", "lime.jpg")
        for each in (
            *("Remove {}", "Yes, that is right for {}"),
            *("No, say what {} shows", "What it looked at in {}"),
        )
    ]
    # Escape leaves the correction, and what is removed passes the focus on.
    await page.run("document.querySelector('.wrong').focus()")
    await page.press("Enter")
    assert await page.is_shown(".correct")
    await page.press("Escape")
    assert not await page.is_shown(".correct")
    assert await focused(page) == "No, say what red.jpg shows"
    await page.run("document.querySelector('.remove').focus()")
    await page.press("Enter")
    assert await focused(page) == "Remove lime.jpg"
    await page.press("Enter")
    assert await focused(page) == "Choose photos…"
    assert not await page.is_shown("#results")


async def test_every_control_has_a_name(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    service.answers["POST /classify?model=pets&version=1&explain=cat"] = answered("pets", "cat") | {
        "explanation": explanation("cat")
    }
    await classified(page, photos[:2])
    await page.click(".wrong")
    await page.click(".explain")
    await page.until("!document.querySelector('.heat').hidden")
    controls = [
        node
        for node in await page.accessibility_tree()
        if node["role"] in ("button", "combobox", "textbox", "image", "progressbar", "list")
    ]
    names = [node["name"] for node in controls if node["role"] == "button"]
    assert len(set(names)) == len(names), "which photo a button is for is in its name"
    unnamed = [node for node in controls if not node["name"] and node["role"] != "list"]
    assert unnamed == []
    assert "The photo red.jpg" in [node["name"] for node in controls if node["role"] == "image"]


async def test_what_the_model_looked_at_is_painted_and_said(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    asked = []

    async def classify(name: str, query: dict[str, str]) -> Any:
        if "explain" not in query:
            return answered("pets", "cat", "dog", version=3)
        asked.append(query)
        if query["explain"] == "dog":
            return refusal(429, "Too many photos wait.", "Send it again.")
        return answered("pets", "cat", "dog") | {"explanation": explanation(query["explain"])}

    service.classify = classify
    await classified(page, photos[:1])
    await page.click(".explain")
    await page.until("!document.querySelector('.heat').hidden")
    assert asked == [{"model": "pets", "version": "3", "explain": "cat"}]
    assert await page.text(".sentence") == "80%; with the part in the upper left covered, 30%."
    pixels = await page.run(
        "Array.from(document.querySelector('.heat').getContext('2d').getImageData(0, 0, 3, 3).data)"
    )
    first, fifth = pixels[:4], pixels[16:20]
    assert first[0] > first[2], "orange where it speaks for the class"
    assert first[3] == 200
    assert fifth[2] > fifth[0], "blue where it speaks against it"
    covers = (
        "(() => { const [p, h] = ['.photo img', '.heat'].map((s) =>"
        " document.querySelector(s).getBoundingClientRect());"
        " return Math.abs(p.x - h.x) + Math.abs(p.y - h.y) + Math.abs(p.width - h.width)"
        " + Math.abs(p.width / p.height - 64 / 48); })()"
    )
    assert await page.run(covers) < 0.05, "the colors lie over the photo, as large as it"
    # Another class, whose refusal is said; then back without asking again.
    await page.select(".explanation select", "dog")
    await page.until("document.querySelector('.sentence').innerText.startsWith('Too many')")
    assert not await page.is_shown(".heat")
    await page.click(".explain")
    assert not await page.is_shown(".explanation")


async def test_a_part_that_decides_nothing_is_said_so(page: Page) -> None:
    sentence = await page.run(
        "import('./explanation.js').then((m) => m.explanationSentence({ scale: 0.5, score: 0.9,"
        " lowest: 0.884, importances: [[0.1, 0], [0, -0.2]] }))"
    )
    assert sentence == "No single part decides: with any one covered, 90% falls to 88% at most."


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_on_a_phone(
    page: Page, service: PageService, photos: list[Path], scheme: str
) -> None:
    service.answers["POST /classify"] = answered("pets", "w" * 100, "a long name of a class " * 4)
    await page.resize(360, 740, scheme=scheme, touch=True)
    await page.load(service.url)
    await ready(page)
    assert await page.is_shown("#take"), "the camera"
    await page.drop(photos[:2], x=100, y=100)
    await page.until(f"{ANSWERED} === 2")
    assert await page.run("document.documentElement.scrollWidth") == 360
    small = await page.run(
        "Array.from(document.querySelectorAll('button')).filter((b) => b.checkVisibility() &&"
        " (b.getBoundingClientRect().height < 44 || b.scrollWidth > b.clientWidth))"
        ".map((b) => b.innerText)"
    )
    assert small == [], "too small for a finger, or cut off"
    background = await page.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(22, 24, 28)") is (scheme == "dark")


async def test_a_mouse_is_not_offered_a_camera(page: Page) -> None:
    assert not await page.is_shown("#take")


async def test_an_unsure_answer_says_so(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    async def classify(name: str, _: dict[str, str]) -> Any:
        return answered("pets", "cat") | {"unsure": name == "red.jpg"}

    service.classify = classify
    await classified(page, photos[:2])
    assert await page.is_shown(".photo:nth-child(1) .unsure")
    assert not await page.is_shown(".photo:nth-child(2) .unsure")


async def test_names_are_shown_short_and_with_nothing_that_acts(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    classes = (
        "otter\nbank" + "w" * 5_000,
        "photo\u202egpj",
        "o\u0300\u0301\u0302\u0303\u0304\u0305",
    )
    service.answers["POST /classify"] = answered("\x1b[2J", *classes)
    service.answers["POST /labels"] = {"id": 7, "class_name": "\u202ex", "new_class": False}
    await classified(page, photos[:1])
    assert await page.texts(".scores .name") == [
        f"otter\\nbank{'w' * 89}…",
        "photo\\u202egpj",
        "o\u0300\u0301\u0302\u0303",
    ]
    assert (await page.text(".by")).startswith("\\x1b[2J, version 1")
    await page.click(".right")
    await page.until("document.querySelector('.saved').innerText")
    assert await page.text(".saved") == "Saved: \\u202ex."
    # What is sent is the name as it is, but for the line breaks of forms.
    (sent,) = service.sent("POST", "/labels")
    assert sent["class"].replace("\r\n", "\n") == classes[0]


async def test_served_models_can_be_chosen_and_the_current_one_is_followed(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    assert not await page.is_shown("#model-choice"), "one model is no choice"
    service.answers["GET /models"] = [PETS, ZOO, model("other") | {"served": False}]
    service.answers["POST /classify?model=big+zoo"] = answered("big zoo", "zebra")
    service.tell("models")
    await page.until("!document.querySelector('#model-choice').hidden")
    assert await page.texts("#model option") == ["pets (current)", "big zoo"]
    await classified(page, photos[:2])
    await page.select("#model", "big zoo")
    # The photos that are shown are classified again by the model that was chosen.
    await page.until(
        "Array.from(document.querySelectorAll('.by'), (e) => e.textContent)"
        ".every((text) => text.startsWith('big zoo'))"
    )
    classes = "Array.from(document.querySelectorAll('#classes option'), (o) => o.value)"
    assert await page.run(classes) == ["zebra"]
    addresses = [address for _, address, _ in service.requests]
    assert "/labels?model=big+zoo" in addresses
    assert "/training?model=big+zoo" in addresses
    # A label goes to the model that answered.
    await page.click(".right")
    await wait_until(lambda: service.sent("POST", "/labels"))
    assert service.sent("POST", "/labels")[0]["model"] == "big zoo"
    # One that is not served any more is not chosen any more.
    service.answers["GET /models"] = [PETS]
    service.tell("models")
    await page.until("document.querySelector('#model-choice').hidden")
    await page.drop(photos[2:3])
    await page.until(f"{ANSWERED} === 3")
    asked = [address for _, address, _ in service.requests if address.startswith("/classify")]
    assert asked[-1] == "/classify"


async def test_photos_are_classified_again_by_a_version_that_was_learned(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    await classified(page, photos[:2])
    newer = {"live": True, "number": 2, "classes": ["cat", "dog"]}
    service.answers["GET /models"] = [PETS | {"versions": [newer]}]
    service.answers["POST /classify"] = answered("pets", "dog", version=2)
    service.tell("models")
    await page.until(
        "Array.from(document.querySelectorAll('.by'), (e) => e.textContent)"
        ".every((text) => text.startsWith('pets, version 2'))"
    )


async def test_a_model_without_classes_says_what_to_do(
    page: Page, service: PageService, photos: list[Path]
) -> None:
    service.answers["POST /classify"] = answered("pets")
    await page.drop(photos[:1])
    await page.until("document.querySelector('.no-classes').checkVisibility()")
    assert not await page.is_shown(".confirm")
    assert await page.is_shown(".correct input")
    assert not await page.is_shown(".explain")


async def test_training_of_another_model_is_not_shown(page: Page, service: PageService) -> None:
    service.answers["GET /models"] = [PETS, ZOO]
    service.answers["GET /training/r1"] = {
        "id": "r1",
        "model": "big zoo",
        "state": "running",
        "step": "Going.",
        "progress": 0.5,
    }
    await page.load(service.url)
    await ready(page)
    await page.until("!document.querySelector('#model-choice').hidden")
    service.tell("training", id="r1")
    await wait_until(lambda: service.sent("GET", "/training/r1"))
    assert not await page.is_shown("#run")
    await page.select("#model", "big zoo")
    service.tell("training", id="r1")
    await page.until("document.querySelector('#run').checkVisibility()")
    assert await page.text("#run-step") == "Going."


async def test_with_the_real_service_labels_are_kept_and_answers_explained(
    opened: Page, workspace: Workspace, photos: list[Path], tmp_path: Path
) -> None:
    repository_with_live_version(workspace)
    (tmp_path / "notes.jpg").write_text("no photo")
    page = opened
    with backend_on_thread(workspace, tmp_path / "worker.py") as url:
        await page.visit(url)
        await ready(page)
        await page.drop([photos[0], tmp_path / "notes.jpg", photos[1]])
        await page.until(f"{ANSWERED} === 2")
        await page.until("document.querySelector('.failure:not([hidden])')")
        assert len(await page.texts(".failure:not([hidden])")) == 1
        await page.click(".photo:nth-child(1) .explain")
        await page.until("!document.querySelector('.heat').hidden")
        assert (await page.text(".sentence")).startswith("No single part decides")
        await page.click(".photo:nth-child(3) .right")
        await page.until("document.querySelector('.photo:nth-child(3) .saved').innerText")
        await page.until("document.querySelector('#labels').innerText.startsWith('1 label')")
        refused = [error for error in page.errors() if "415" not in error]
        assert refused == []
    assert rows(workspace, "", "SELECT class_name FROM labels")[0][0] == "cat"
