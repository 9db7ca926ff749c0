"""Who did something, where a person can do it: a name for other people to read."""

from __future__ import annotations

import os
import pwd

from serving.errors import ServeryError

MAX_PERSON = 100
"""Characters of a name."""


class PersonNameError(ServeryError):
    """The text cannot be the name of a person."""


def checked_person(name: str) -> str:
    """Return a name as it is kept; without one, that of the user who runs this process.

    Raises PersonNameError for one that cannot be shown on a line.
    """
    name = " ".join(name.split())
    if not name:
        return _this_user()
    if len(name) > MAX_PERSON or not name.isprintable():
        raise PersonNameError(
            "The name of the person who decides cannot be shown.",
            f"Send a name of at most {MAX_PERSON} characters that can be seen.",
        )
    return name


def _this_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
