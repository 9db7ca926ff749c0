"""Writes the files of a stack; knows no Qt."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from desktop.translation import tr
from serving.engines.docker.image.store import ImageStore
from serving.errors import EngineError
from serving.stack.files import write_stack
from serving.stack.plan import StackError, StackPlan


async def export_stack(plan: StackPlan, folder: Path, store: ImageStore) -> list[Path]:
    """Write a stack into a new or an empty folder and return its files.

    The engine of `store` is asked what the image is, if it answers and has it. Raises StackError
    if the image holds no model, or the plan cannot be, and ExportRefused.
    """
    plan.check()
    with contextlib.suppress(EngineError):
        found = await store.find([plan.image])
        if found is not None and found.baked is None:
            raise StackError(
                tr("The image {image} holds no model.", image=plan.image),
                tr(
                    "Make one of a version: `servery models image`, or “Make an"
                    " image…” in its menu."
                ),
            )
        if found is not None:
            plan = replace(plan, own_server=found.own)
    return await asyncio.to_thread(write_stack, plan, folder)


def next_steps(folder: Path) -> str:
    """Say what tells more about the stack in a folder."""
    return tr(
        "{folder} says how to start, scale, update and back it up.", folder=folder / "README.md"
    )
