"""The time from the last label until the fleet answers with the new class.

    python -m tests.benchmarks.label_to_live [--runs 3] [--labels 200]

Each run starts `servery serve` with two instances on a new workspace, sends labels
of a class that the model does not know, starts a training run, and, once its version is live,
posts another image of that class until the answer names the class first. Photos that are asked
about before would compute on the cores that learn. The clock starts when the last label is
acknowledged. Photos are embedded as they are labelled, as they are unless training is
by hand, by the process that learns, which starts with the first label. Three times are measured:

- cold: that process is killed after the last label;
- first: it is not, and has learned nothing yet;
- warm: a second class is taught right after the first.

No run begins by itself, so that none begins before the last label.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import tempfile
import time
from collections.abc import Callable

import psutil
from PIL import Image, ImageDraw

from backend.client import BackendClient
from backend.contract import Decision, RunState, TrainingSettings
from backend.contract.training import MAX_AFTER_LABELS, MAX_QUIET_SECONDS
from backend.training.trainer import WORKER
from tests.benchmarks.measure import Figure
from tests.benchmarks.service import service

LIMIT_SECONDS = 180
POLL_SECONDS = 0.05
# Neither is another name of a class that the built-in model knows, as "bars" is.
COLOURS = {"stripes": ((30, 160, 60), (200, 20, 180)), "slats": ((250, 220, 20), (20, 20, 200))}


def draw(class_name: str, seed: int) -> bytes:
    """An image of a class that no photo shows, each a little different from the others."""
    generator = random.Random(f"{class_name}{seed}")
    (red, green, blue), line = COLOURS[class_name]
    shade = [min(255, value + generator.randint(0, 12)) for value in (red, green, blue)]
    image = Image.new("RGB", (640, 480), (shade[0], shade[1], shade[2]))
    pen = ImageDraw.Draw(image)
    step = generator.randint(50, 90)
    slant = generator.randint(80, 240) if class_name == "stripes" else 0
    for x in range(-400, 1000, step):
        pen.line([(x, 0), (x + slant, 480)], fill=line, width=step // 2)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


async def teach(
    client: BackendClient, class_name: str, labels: int, before: Callable[[], None] = lambda: None
) -> float:
    """Return the seconds from the last label, and `before`, until the class is the answer."""
    for number in range(labels):
        await client.label(draw(class_name, number), class_name)
    before()
    started = time.monotonic()
    run = await client.train()
    unseen = draw(class_name, labels)
    while time.monotonic() - started < LIMIT_SECONDS:
        state = await client.training_run(run.id)
        if (
            state.decision is Decision.PROMOTED
            and (await client.classify(unseen)).scores[0].name == class_name
        ):
            return time.monotonic() - started
        if state.state in (RunState.FAILED, RunState.CANCELLED):
            raise SystemExit(f"The training run failed: {state.step}")
        if state.decision is Decision.HELD_BACK:
            raise SystemExit(f"The version was held back: {state.not_promoted_because}")
        await asyncio.sleep(POLL_SECONDS)
    raise SystemExit(f"The class {class_name} was not learned within {LIMIT_SECONDS} s.")


def kill_worker(workspace: str) -> None:
    """End the process that learns, if there is one."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if WORKER in words and any(word.startswith(workspace) for word in words):
            process.kill()
            process.wait(LIMIT_SECONDS)


async def measure(labels: int, *, cold: bool) -> list[float]:
    """Return the seconds of a cold worker, or those of the first run and of a warm worker."""
    with tempfile.TemporaryDirectory(prefix="servery-label-") as workspace:
        async with service(workspace, 2) as client:
            model = (await client.health()).model
            settings = TrainingSettings(
                after_labels=MAX_AFTER_LABELS, quiet_seconds=MAX_QUIET_SECONDS
            )
            await client.change_training_settings(model, settings)
            if cold:
                return [await teach(client, "stripes", labels, lambda: kill_worker(workspace))]
            return [await teach(client, name, labels) for name in COLOURS]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon a label is live.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--labels", type=int, default=200)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"cold": [], "first": [], "warm": []}
    for _ in range(arguments.runs):
        times["cold"] += asyncio.run(measure(arguments.labels, cold=True))
        first, warm = asyncio.run(measure(arguments.labels, cold=False))
        times["first"].append(first)
        times["warm"].append(warm)
    for name, found in times.items():
        print(Figure(f"last label to live, {name} worker", found, "s"))


if __name__ == "__main__":
    main()
