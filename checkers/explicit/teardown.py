"""Which states the teardown actions alone cannot bring to the empty host."""

from __future__ import annotations

from array import array
from collections.abc import Collection

import numpy as np
import numpy.typing as npt


def stuck(
    states: Collection[bytes], degrees: array[int], targets: array[int], empties: array[int]
) -> int | None:
    """The number of the first state from which no path leads to an empty one, or None.

    `degrees` are the steps that leave each state, `targets` the `id` of where each leads.
    """
    source = np.repeat(np.arange(len(states), dtype=np.uint32), _numbers(degrees))
    target = _places(states, _numbers(targets))
    reaches = np.zeros(len(states), dtype=np.bool_)
    reaches[_numbers(empties)] = True
    while len(source):
        now = reaches[target]
        if not now.any():
            break
        reaches[source[now]] = True
        still = ~reaches[source]
        source, target = source[still], target[still]
    left = np.flatnonzero(~reaches)
    return int(left[0]) if len(left) else None


def _places(states: Collection[bytes], ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """The numbers of the states with these `id`s."""
    known = np.fromiter(map(id, states), dtype=np.int64, count=len(states))
    order = np.argsort(known).astype(np.uint32)
    return order[np.searchsorted(known[order], ids)]


def _numbers(given: array[int]) -> npt.NDArray[np.int64]:
    return np.array(given, dtype=np.int64)
