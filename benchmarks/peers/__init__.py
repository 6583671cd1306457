"""The machine object-lifetime written by hand for other model checkers, and how they are run.

A peer is one entry of `PEERS`; it takes the bounds of the machine and answers with figures, or with
`absent`, which says what is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.figures import Figures
from benchmarks.peers import hand, rumur, spin

PEERS: dict[str, Callable[[Mapping[str, int]], Figures]] = {
    "spin-bfs": partial(spin.measure, breadth=True),
    "spin-dfs": partial(spin.measure, breadth=False),
    "rumur": rumur.measure,
    "c-by-hand": hand.measure,
}
