"""The time from the last label until the fleet answers with the new class.

    python -m tests.benchmarks.label_to_live [--runs 3] [--labels 200]

Each run starts `servery serve` with two instances on a new workspace, sends labels
of a class that the model does not know, starts a training run, and posts another image
of that class until the answer names the class first. The clock starts when the last
label is acknowledged. A second class is taught right after the first, when the worker that
learns is running already; nothing is trained without being asked, so that it is not before.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import tempfile
import time

from PIL import Image, ImageDraw

from backend.client import BackendClient
from backend.contract import Decision, RunState, TrainingSettings
from tests.benchmarks.measure import Figure
from tests.benchmarks.service import service

LIMIT_SECONDS = 180
POLL_SECONDS = 0.05
# Neither is another name of a class that the built-in model knows, as "bars" is.
COLOURS = {"stripes": ((30, 160, 60), (200, 20, 180)), "slats": ((250, 220, 20), (20, 20, 200))}


def draw(class_name: str, seed: int) -> bytes:
    """An image of a class that no photo shows, each a little different from the others."""
    generator = random.Random(f"{class_name}{seed}")
    background, line = COLOURS[class_name]
    image = Image.new("RGB", (640, 480), background)
    pen = ImageDraw.Draw(image)
    step = generator.randint(50, 90)
    slant = generator.randint(80, 240) if class_name == "stripes" else 0
    for x in range(-400, 1000, step):
        pen.line([(x, 0), (x + slant, 480)], fill=line, width=step // 2)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


async def teach(client: BackendClient, class_name: str, labels: int) -> float:
    """Return the seconds from the last label until the class is the answer."""
    for number in range(labels):
        await client.label(draw(class_name, number), class_name)
    started = time.monotonic()
    run = await client.train()
    unseen = draw(class_name, labels)
    while time.monotonic() - started < LIMIT_SECONDS:
        best = (await client.classify(unseen)).scores[0].name
        if best == class_name:
            return time.monotonic() - started
        state = await client.training_run(run.id)
        if state.state in (RunState.FAILED, RunState.CANCELLED):
            raise SystemExit(f"The training run failed: {state.step}")
        if state.decision is Decision.HELD_BACK:
            raise SystemExit(f"The version was held back: {state.not_promoted_because}")
        await asyncio.sleep(POLL_SECONDS)
    raise SystemExit(f"The class {class_name} was not learned within {LIMIT_SECONDS} s.")


async def measure(labels: int) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory(prefix="servery-label-") as workspace:
        async with service(workspace, 2) as client:
            model = (await client.health()).model
            await client.change_training_settings(model, TrainingSettings(automatic=False))
            return tuple([await teach(client, name, labels) for name in COLOURS])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon a label is live.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--labels", type=int, default=200)
    arguments = parser.parse_args()
    runs = [asyncio.run(measure(arguments.labels)) for _ in range(arguments.runs)]
    print(Figure("last label to live, cold worker", [first for first, _ in runs], "s"))
    print(Figure("last label to live, warm worker", [second for _, second in runs], "s"))


if __name__ == "__main__":
    main()
