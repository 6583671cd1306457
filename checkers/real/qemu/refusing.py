"""Which calls the host refuses for reasons of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from checkers.real.qemu.structures import IOMMUFD, VFIO
from spec.iommufd import calls as of_iommufd
from spec.iommufd.objects import Errno
from spec.vfio import calls as of_vfio

Refuses = Callable[[str, int, Mapping[str, int]], int]
"""Of a request's name, its device (0 if none) and its fields: the errno to answer, or 0."""


def _fails() -> dict[str, int]:
    declared = {
        function.__host_call__.name: int(function.__host_call__.fails)
        for module in (of_iommufd, of_vfio)
        for function in vars(module).values()
        if hasattr(function, "__host_call__")
    }
    requests = [*IOMMUFD.values(), *VFIO.values()]
    return {item.name: declared.get(item.event, int(Errno.ENOMEM)) for item in requests}


FAILS: Final[Mapping[str, int]] = _fails()
"""The errno by which each request fails in the machines; ENOMEM where none of them makes it."""


def nothing(name: str, device: int, values: Mapping[str, int]) -> int:
    """Every call is answered by the specification."""
    return 0


@dataclass
class Refusal:
    """One call is refused: of those of some names the next, or a later one, counted by `turn`.

    Without `error` it is by the errno that the machines have for that call. `done` when it was.
    """

    names: Collection[str]
    error: int = 0
    turn: int = 1
    done: bool = False

    def __call__(self, name: str, device: int, values: Mapping[str, int]) -> int:
        """The errno if it is this call's turn."""
        if self.done or name not in self.names:
            return 0
        self.turn -= 1
        self.done = self.turn == 0
        return (self.error or FAILS[name]) if self.done else 0


def refuse(name: str, error: int = 0) -> Refusal:
    """The next call of a name is refused."""
    return Refusal((name,), error)
