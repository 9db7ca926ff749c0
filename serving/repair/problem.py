"""One thing that is wrong in a workspace, as sentences, with what can be done about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from serving.errors import ServeryError, storage_error
from serving.state_files import REPAIR_ADVICE, DamagedFile, UnreadableFile, set_aside
from serving.workspace import Workspace

LOCK_SECONDS = 10.0
"""How long a repair waits for a program that changes the same files."""


class NotRepaired(ServeryError):
    """A repair could not be carried out; everything is as it was."""


Repair = Callable[[], str]
"""Repairs something and says, as sentences, what was moved where and what was recovered; raises
ServeryError."""


@dataclass(frozen=True)
class WorkspaceProblem:
    """Something in a workspace that is not as Servery wrote it."""

    path: Path
    what: str
    """What is wrong, as a sentence that names the file."""
    advice: str
    """What can be done, as a sentence."""
    repair: Repair | None = None
    """None if only a person can do something."""
    passes: bool = False
    """Programs that run go on by themselves once somebody has done what `advice` says."""

    @property
    def text(self) -> str:
        """What is wrong and what can be done, for somebody whose programs run."""
        return str(self.what_error())

    @property
    def text_of_command(self) -> str:
        """The same for a command, which ends, whatever becomes of the disk later."""
        again = " If this command fails, run it again then." if self.passes else ""
        return f"{self.what} {self.advice}{again}"

    def what_error(self) -> ServeryError:
        """Return it as the error that people are shown."""
        by_itself = " Programs that run go on by themselves then." if self.passes else ""
        return ServeryError(self.what, f"{self.advice}{by_itself}")


Reader = Callable[[Path], object]
"""Reads a file; raises DamagedFile, and UnreadableFile."""
Check = Callable[[Workspace], Iterable[WorkspaceProblem]]


def find_problems(workspace: Workspace, checks: Sequence[Check]) -> list[WorkspaceProblem]:
    """Return what the checks find, each file once; never raises, whatever is in the workspace."""
    found: dict[Path, WorkspaceProblem] = {}
    for check in checks:
        for problem in _carry_out(check, workspace):
            found.setdefault(problem.path, problem)
    return list(found.values())


def _carry_out(check: Check, workspace: Workspace) -> Iterator[WorkspaceProblem]:
    try:
        yield from check(workspace)
    except ServeryError as error:
        yield WorkspaceProblem(workspace.root, error.what, error.advice)
    except OSError as error:
        failure = storage_error(
            error, workspace.root, f"{error.filename or workspace.root} cannot be read", NotRepaired
        )
        yield WorkspaceProblem(workspace.root, failure.what, failure.advice)


def damage(path: Path, read: Reader, repair: Repair) -> Iterator[WorkspaceProblem]:
    """Yield a problem if `read` finds the file `path` damaged."""
    try:
        read(path)
    except DamagedFile as error:
        yield WorkspaceProblem(path, error.what, REPAIR_ADVICE, repair)
    except UnreadableFile as error:
        yield WorkspaceProblem(path, error.what, error.advice)


def move_aside(path: Path, workspace: Workspace) -> str:
    """Move a damaged file to the workspace's folder of them; returns a sentence.

    Raises NotRepaired.
    """
    try:
        kept = set_aside(path, workspace.damaged)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = f"{path} could not be moved away"
        raise storage_error(error, path, what, NotRepaired) from error
    return f"{path} was moved to {kept}."


def readable_again(path: Path, read: Reader) -> str:
    """Give the owner of a file the right to read it.

    Says so in a sentence if the file is as it should be then; "" otherwise.
    """
    try:
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            return ""
        path.chmod(0o700 if path.is_dir() else 0o600)
        read(path)
    except (OSError, UnreadableFile):
        return ""
    return f"You may read {path} again."


def open_or_move_aside(path: Path, read: Reader, workspace: Workspace, consequence: str) -> str:
    """Repair a file that is not needed: make it readable, or move it away if it is damaged.

    `consequence` says what comes of moving it. Raises NotRepaired.
    """
    return readable_again(path, read) or f"{move_aside(path, workspace)} {consequence}"


def lock(path: Path) -> FileLock:
    """Return the lock of a file that programs change, waiting at most LOCK_SECONDS for it."""
    return FileLock(path, timeout=LOCK_SECONDS)


def repaired(problem: WorkspaceProblem) -> str:
    """Carry out the repair of a problem; returns what it says. Raises ServeryError.

    Says nothing of a file that is gone, since the repair of another one moved it too.
    """
    assert problem.repair is not None
    try:
        return problem.repair()
    except Timeout as error:
        raise NotRepaired(
            f"{problem.path} is being used by another program.",
            "End that program, or stop everything with `servery fleet stop`, then repair again.",
        ) from error
    except FileNotFoundError:
        return ""
    except OSError as error:
        what = f"{problem.path} could not be repaired"
        raise storage_error(error, problem.path, what, NotRepaired) from error
