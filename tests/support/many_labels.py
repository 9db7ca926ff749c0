"""A thousand labels of every kind, with everything that a label can have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from backend.contract import LabelKind
from backend.store.label_exchange import WrittenLabel
from backend.store.store import Store
from tests.support.sample_images import painting

COUNT = 1000
AWKWARD_NAMES = (
    *("=1+1", "+plus", "-minus", "@at", "'=quoted", "'apostrophe", "a;=b", 'say "hi", twice'),
    *("and/or", "..", ".hidden", "con", "NUL.txt", "a\\b", "50%", "%2F", "what?", "x" * 100),
    *("大熊猫" * 30, "labels.csv", "photos", ".no-class", "none of the classes", "(none)"),
    *("straße", "café", "trailing.", "~tilde", "a  b".replace("  ", " "), "🦦 otter", "true"),
)
PEOPLE = ("Ann", "Bob", "", "=cmd", "O'Neill, Cid")


async def add_labels(store: Store, model: str, seed: int = 0, count: int = COUNT) -> None:
    """Put `count` labels of some hundred small photos into a store, some of them disputed."""
    rng = random.Random(seed)
    photos = [
        painting(rng.choice(("red", "green", "blue")), f"{seed} {n}") for n in range(count // 3)
    ]
    images = store.images.put_many(photos)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    labels = [_label(rng, images, begin + timedelta(seconds=n * 61.007)) for n in range(count)]
    taken = await store.exchange.take(model, labels, lambda name: True)
    assert taken.new == count


def _label(rng: random.Random, images: Sequence[str], when: datetime) -> WrittenLabel:
    kind = rng.choices(tuple(LabelKind), weights=(8, 1, 1))[0]
    name = rng.choice(AWKWARD_NAMES) if rng.random() < 0.5 else f"class {rng.randrange(40)}"
    return WrittenLabel(
        image=rng.choice(images),
        class_name=name if kind is LabelKind.CLASS else "",
        kind=kind,
        by=rng.choice(PEOPLE),
        created=when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        settles=rng.random() < 0.1,
        held_out=rng.random() < 0.2,
    )
