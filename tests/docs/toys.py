"""A registry of toys, to build the book of."""

from __future__ import annotations

from spec.language import Machine, Variant
from tests.toys.mutex import MUTEX
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT


def load() -> tuple[list[Machine], list[Variant]]:
    """Three machines, three variants."""
    return [MUTEX, REFCOUNT, QUEUE], [FREES_WHILE_HELD, LEAKS_ON_REFUSAL, STANDS_STILL]
