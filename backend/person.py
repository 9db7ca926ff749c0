"""Who did something, where a person can do it: a name for other people to read."""

from __future__ import annotations

from serving.errors import ServeryError

MAX_PERSON = 100
"""Characters of a name."""


class PersonNameError(ServeryError):
    """The text cannot be the name of a person."""


def checked_person(name: str, caller: str) -> str:
    """Return a name as it is kept; without one, that of the caller.

    Raises PersonNameError for one that cannot be shown on a line.
    """
    name = " ".join(name.split())
    name = name or " ".join(caller.split())
    if len(name) > MAX_PERSON or not name.isprintable():
        raise PersonNameError(
            "The name of the person who does it cannot be shown.",
            f"Send a name of at most {MAX_PERSON} characters that can be seen.",
        )
    return name
