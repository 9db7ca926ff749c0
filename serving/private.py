"""Keeps what one person stores closed to the other users of the machine."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServeryError
from serving.leftovers import writer_tag

_UMASK = 0o077
_GROUP_AND_OTHERS = 0o077
_ROOT = 0
_DEFAULT_ACL = "system.posix_acl_default"

_umask_before: int | None = None


class ForeignFolder(ServeryError):
    """The folder is another user's, who could replace everything in it."""


def set_private_umask() -> None:
    """Make all files (0600) and folders (0700) of this process the person's alone.

    Those of the processes that it starts too, since they inherit the umask. Call it first
    in a program that writes to a workspace; only `persons_umask` suspends it.
    """
    global _umask_before
    before = os.umask(_UMASK)
    if _umask_before is None:
        _umask_before = before


@contextlib.contextmanager
def persons_umask() -> Iterator[int]:
    """Set the umask from before `set_private_umask` for the block, and yield it.

    For what people asked for outside of the workspace, such as an exported file or another
    program. It holds for the whole process, so the block should be short.
    """
    current = os.umask(_UMASK)
    before = current if _umask_before is None else _umask_before
    os.umask(before)
    try:
        yield before
    finally:
        os.umask(current)


def make_private_folder(folder: Path) -> None:
    """Make `folder`, 0700 whatever the umask, and the folders above it that are missing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        _remove_default_acl(folder)


def is_open_to_others(folder: Path) -> bool:
    """Whether the rights of `folder` give other users anything."""
    return bool(folder.stat().st_mode & _GROUP_AND_OTHERS)


def check_owner(folder: Path) -> None:
    """Raise ForeignFolder if another user, root aside, owns `folder`; root may use any."""
    owner, person = folder.stat().st_uid, os.geteuid()
    if person != _ROOT and owner not in (person, _ROOT):
        raise ForeignFolder(
            f"The folder {folder} belongs to another user, {_user_name(owner)}, who could change"
            " everything in it.",
            "Choose a folder of your own with --workspace or SERVERY_WORKSPACE.",
        )


def restrict_access(
    root: Path,
    unchanging: Collection[Path] = (),
    is_ours: Callable[[str], bool] = lambda _: True,
) -> list[str]:
    """Take all rights in `root` from other users; return a sentence for each that is left.

    What is directly in `root` under a name that is not `is_ours` stays as it is: nobody else
    can enter `root` any more, and a person may have named a folder with other things in it.

    Folders become 0700 and files 0600. Symbolic links are not followed. Files in the folders
    `unchanging`, which nobody writes to again, get a copy of their own if they have a name
    outside of `root` too, which keeps its rights; other files are closed under both names.
    Programs may use `root` meanwhile.
    """
    walk = _Walk(root, frozenset(unchanging), is_ours)
    walk.run()
    return walk.sentences()


def access_warnings(root: Path) -> list[str]:
    """Return a sentence for each folder above `root` in which others could replace it."""
    trusted = {os.geteuid(), _ROOT}
    found = []
    child = root.resolve()
    for folder in child.parents:
        status = folder.stat()
        writable = status.st_mode & stat.S_IWOTH or (
            status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid)
        )
        # In a sticky folder, such as /tmp, only its owner can rename what lies there.
        if writable and not status.st_mode & stat.S_ISVTX:
            found.append(
                f"Other users can write to {folder} and so put another folder in place of {child}."
            )
        elif status.st_uid not in trusted:
            found.append(
                f"{folder} belongs to {_user_name(status.st_uid)}, who can put another folder in"
                f" place of {child}."
            )
        child = folder
    return found


@dataclass
class _Walk:
    """One pass through a folder, from the top, each folder closed before it is listed.

    After that nobody else can exchange what is in it, whatever they hold open, so that a
    path below means what it meant when it was listed.
    """

    root: Path
    unchanging: frozenset[Path]
    is_ours: Callable[[str], bool]
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Path] = field(default_factory=dict)
    several_names: dict[tuple[int, int], list[Path]] = field(default_factory=dict)
    """The names in unchanging folders of each open file that has several, by device and inode."""
    stopped: str = ""
    person: int = field(default_factory=os.geteuid)

    def run(self) -> None:
        folders = [(self.root, False)]
        while folders and not self.stopped:
            folder, unchanging = folders.pop()
            unchanging = unchanging or folder in self.unchanging
            with self._noted(folder):
                folders += [(path, unchanging) for path in self._folder(folder, unchanging)]
        for names in self.several_names.values():
            with self._noted(names[0]):
                status = names[0].lstat()
                if status.st_nlink > len(names):
                    _replace_by_private_copy(names)
                else:
                    _close(names[0], status)

    def sentences(self) -> list[str]:
        """Return what is still open, one sentence for each kind."""
        if self.stopped:
            return [self.stopped]
        kinds = {
            "foreign": "belong to other users, who can change them",
            "refused": "could not be closed to other users",
            "link": "are links to what other users can read elsewhere; close that yourself",
        }
        return [
            f"{count:,} of the files and folders in {self.root} {kinds[kind]};"
            f" look at {self.examples[kind]}."
            for kind, count in self.counts.items()
        ]

    def _folder(self, path: Path, unchanging: bool) -> list[Path]:
        """Close a folder and the files in it; return the folders in it."""
        flags = os.O_RDONLY | os.O_DIRECTORY
        if path != self.root:  # the root may be a link that the person made
            flags |= os.O_NOFOLLOW
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            self._check_owner(path, status)
            if status.st_mode & _GROUP_AND_OTHERS:
                self._close_folder(path, descriptor, status)
            if self.stopped:
                return []
            _remove_default_acl(descriptor)
            folders = []
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if path == self.root and not self.is_ours(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path / entry.name)
                    elif not self._is_private(entry):
                        inside = path / entry.name
                        with self._noted(inside):
                            self._file(inside, inside.lstat(), unchanging)
            return folders
        finally:
            os.close(descriptor)

    def _close_folder(self, path: Path, descriptor: int, status: os.stat_result) -> None:
        reason = ""
        try:
            os.fchmod(descriptor, status.st_mode & 0o700)
        except OSError as error:
            reason = f" ({error.strerror})"
        # Asked again, since some file systems ignore a change of rights without an error.
        if not os.fstat(descriptor).st_mode & _GROUP_AND_OTHERS:
            return
        self._note("refused", path)
        if path == self.root:
            self.stopped = (
                f"The folder {path} cannot be closed to other users of this machine{reason}, who"
                " may read what is in it. Use a folder on a file system with access rights."
            )

    def _is_private(self, entry: os.DirEntry[str]) -> bool:
        """Whether a file needs nothing more, as nearly all do: this is what takes the time."""
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return True
        closed = status.st_mode & 0o7177 == 0 and stat.S_ISREG(status.st_mode)
        return closed and status.st_uid == self.person

    def _file(self, path: Path, status: os.stat_result, unchanging: bool) -> None:
        if stat.S_ISLNK(status.st_mode):
            self._link(path)
            return
        self._check_owner(path, status)
        if unchanging and status.st_nlink > 1 and status.st_mode & _GROUP_AND_OTHERS:
            self.several_names.setdefault((status.st_dev, status.st_ino), []).append(path)
        else:
            _close(path, status)

    def _link(self, path: Path) -> None:
        try:
            target = path.stat()
        except OSError:  # it leads nowhere, or where the person may not go either
            return
        inside = path.resolve().is_relative_to(self.root.resolve())
        if not inside and target.st_mode & _GROUP_AND_OTHERS:
            self._note("link", path)

    def _check_owner(self, path: Path, status: os.stat_result) -> None:
        if status.st_uid not in (self.person, _ROOT):
            self._note("foreign", path)

    def _note(self, kind: str, path: Path) -> None:
        self.counts[kind] += 1
        self.examples.setdefault(kind, path)

    @contextlib.contextmanager
    def _noted(self, path: Path) -> Iterator[None]:
        """Go on after a file that cannot be closed; one that was removed meanwhile is closed."""
        try:
            yield
        except FileNotFoundError:
            pass
        except OSError:
            self._note("refused", path)


def _close(path: Path, status: os.stat_result) -> None:
    allowed = 0o600 if stat.S_ISREG(status.st_mode) else 0o700
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~allowed:
        path.chmod(mode & allowed)


def _replace_by_private_copy(names: list[Path]) -> None:
    """Put a private copy of a file in place of these names of it."""
    aside = names[0].with_name(f".{names[0].name}.{writer_tag()}")
    try:
        with names[0].open("rb") as source, aside.open("xb") as target:
            aside.chmod(0o600)
            shutil.copyfileobj(source, target, 2**20)
        shutil.copystat(names[0], aside)
        aside.chmod(0o600)  # again, since `copystat` copies the rights too
        for name in names[1:]:
            linked = name.with_name(f".{name.name}.{writer_tag()}")
            os.link(aside, linked)
            linked.replace(name)
        aside.replace(names[0])
    finally:
        aside.unlink(missing_ok=True)


def _remove_default_acl(folder: Path | int) -> None:
    """Remove the rights that new files would get whatever the umask: acl(5)."""
    with contextlib.suppress(OSError):
        os.removexattr(folder, _DEFAULT_ACL)


def _is_private_group(group: int) -> bool:
    """Whether a group has no member but the person, as most systems give everybody one."""
    try:
        person = pwd.getpwuid(os.geteuid())
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        return False
    others = [
        user for user in pwd.getpwall() if user.pw_gid == group and user.pw_uid != person.pw_uid
    ]
    return group == person.pw_gid and members <= {person.pw_name} and not others


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"number {user}"
