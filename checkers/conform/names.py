"""Which rows of the machine the names and ids of a log stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from checkers.conform.events import Called
from spec.language.control import HostCall

OBJECTS = ("pt", "obj", "ioas", "hwpt", "viommu", "target")
"""How the specification's host calls name an object that they are about."""


@dataclass(frozen=True)
class Names:
    """A log's devices and ids, each with the machine's row; no two of a kind have one row."""

    devices: tuple[tuple[str, int], ...] = ()
    objects: tuple[tuple[int, int], ...] = ()

    def device(self, name: str, row: int) -> Names | None:
        """With a device known by this name; None if it is known as another."""
        for known, has in self.devices:
            if known == name or has == row:
                return self if (known, has) == (name, row) else None
        return replace(self, devices=tuple(sorted((*self.devices, (name, row)))))

    def object(self, number: int, row: int) -> Names | None:
        """With an object known by this id; None if it is known as another."""
        for known, has in self.objects:
            if known == number or has == row:
                return self if (known, has) == (number, row) else None
        return replace(self, objects=tuple(sorted((*self.objects, (number, row)))))

    def made(self, number: int, row: int) -> Names:
        """With a new object: what had its id, or its row, before is gone."""
        kept = [pair for pair in self.objects if pair[0] != number and pair[1] != row]
        return replace(self, objects=tuple(sorted((*kept, (number, row)))))


def fits(call: HostCall, event: Called, names: Names) -> Names | None:
    """What is known when this call is that event; None if it is another."""
    if call.name != event.name or not _same_answer(call, event):
        return None
    after: Names | None = names
    if event.device and "dev" in call.arguments:
        after = after.device(event.device, _row(call.arguments["dev"])) if after else None
    about = [_row(call.arguments[name]) for name in OBJECTS if name in call.arguments]
    for number, row in zip(event.objects, about, strict=False):
        after = after.object(number, row) if after else None
    if event.flags.get("pasid") and "pasid" not in call.arguments:
        return None
    for flag, value in event.flags.items():
        if flag in call.arguments and bool(call.arguments[flag]) != value:
            return None
    if after and event.made and isinstance(call.result, tuple):
        after = after.made(event.made, _row(call.result[1]))
    return after


def _row(value: Any) -> int:
    return int(getattr(value, "id", value))


def error_of(call: HostCall) -> str:
    """The name of the errno that a call of the specification answers; "" for success."""
    answer = call.result[0] if isinstance(call.result, tuple) else call.result
    return str(answer.name) if answer else ""


def _same_answer(call: HostCall, event: Called) -> bool:
    """Both succeed, or both fail, as far as the log says of what; an injected failure is of any."""
    ours = error_of(call)
    if not ours or not event.error:
        return not ours and not event.error
    return call.injected or event.error in ("?", ours)
