"""Which states the teardown actions alone cannot bring to the empty host."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt


def stuck(
    states: int, sources: array[int], targets: array[int], empties: array[int]
) -> int | None:
    """The first state from which no path of these edges leads to an empty one, or None."""
    reaches = np.zeros(states, dtype=np.bool_)
    reaches[_numbers(empties)] = True
    source, target = _numbers(sources), _numbers(targets)
    while len(source):
        now = reaches[target]
        if not now.any():
            break
        reaches[source[now]] = True
        open_ = ~reaches[source]
        source, target = source[open_], target[open_]
    left = np.flatnonzero(~reaches)
    return int(left[0]) if len(left) else None


def _numbers(given: array[int]) -> npt.NDArray[np.uint32]:
    return np.frombuffer(given, dtype=np.uint32) if given else np.empty(0, dtype=np.uint32)
