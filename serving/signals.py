"""The signals that ask a program to end in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def end_signals() -> tuple[signal.Signals, ...]:
    """Return the signals at which this program ends.

    SIGHUP comes when the terminal is closed. A program that was started so that it ignores that,
    as `nohup` does, goes on ignoring it.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return signals
    return (*signals, hangup)


@contextmanager
def on_end_signals(
    handle: Callable[[signal.Signals], object], *, then_ignore: bool = False
) -> Iterator[None]:
    """Call `handle` at each of `end_signals`, instead of ending, for the length of the block.

    With `then_ignore`, for the last block of a program, they are ignored afterwards, so that
    nothing ends it with another exit code while it exits by itself.

    It is called on the main thread between any two instructions, also at a second signal while
    the program ends already. Works under every event loop: hand over with
    `call_soon_threadsafe`, which wakes the loop up.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        handle(signal.Signals(number))

    before = {number: signal.signal(number, on_signal) for number in end_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if then_ignore else handler)
