"""What a process that works for another has to do with it."""

from __future__ import annotations

import contextlib
import signal

DIES_WITH_PARENT = 1
"""The option of prctl(2)."""


def die_with_parent() -> None:
    """Where the system can: whoever kills the command also ends the work."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, int(signal.SIGKILL))
