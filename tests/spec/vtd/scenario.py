"""Runs events of `hwpt-sharing` one after the other and tells what is left."""

from __future__ import annotations

from typing import Any

from spec.iommufd.objects import Errno, Kind
from spec.language.program import Kind as Ended
from spec.language.program import Outcome
from spec.vtd.state import Pgtt
from tests.spec.running import Run

FLT, PT, SLT, GONE = Pgtt.FLT, Pgtt.PT, Pgtt.SLT, Pgtt.NONE
A, B = 1, 2


class Scenario(Run):
    """A virtual machine with devices A (coherent) and B (not), both with the erratum."""

    def __init__(self, bounds: str = "roomy") -> None:
        super().__init__("hwpt-sharing", bounds)
        self.events: list[str] = []

    def take(self, action: str, *values: int, fault: int = 0) -> Outcome:
        """Take an event, and remember the host calls that it made."""
        outcome = super().take(action, *values, fault=fault)
        self.events = [call.name for call in outcome.calls]
        return outcome

    def plug(self, dev: int, fault: int = 0) -> int:
        """Plug a device; the errno."""
        return self.take("plug", dev, fault=fault).result

    def entry(self, dev: int, pgtt: Pgtt, table: int = 0, fault: int = 0) -> int:
        """The guest rewrites a device's PASID entry and invalidates; the errno."""
        did = 0 if pgtt is GONE else 1
        return self.take("pasid_cache_invalidate", dev, pgtt, did, table, fault=fault).result

    def kinds(self) -> dict[str, int]:
        """How many objects of each kind are live, VFIO's own not among them."""
        found: dict[str, int] = {}
        for row in self.rows("objects"):
            if row.kind != Kind.FREE and row.number > 2:
                found[row.kind.name] = found.get(row.kind.name, 0) + 1
        return found

    def rows(self, table: str) -> list[Any]:
        """The rows of a table of the present state."""
        return list(getattr(self.s, table))

    def deferred(self) -> list[int]:
        """The ids whose destruction the bottom half has still to do."""
        rule = self.program.action("destroy_deferred")
        return [
            obj
            for (obj,) in rule.instances(self.program.layout)
            if self.outcome(rule.name, obj).kind is Ended.DONE
        ]

    def broken(self) -> list[str]:
        """The invariants that the present state breaks."""
        return [
            name
            for name, rule in self.program.invariants.items()
            if rule.states == 1
            and not all(
                self.program.evaluate(rule, self.state, values=values)
                for values in rule.instances(self.program.layout)
            )
        ]


def bound(*devices: int) -> Scenario:
    """A scenario in which these devices are plugged and use first-stage table 1."""
    found = Scenario()
    for dev in devices:
        assert found.plug(dev) == Errno.OK
    found.take("gcmd_translation_enable", 1)
    for dev in devices:
        assert found.entry(dev, FLT, 1) == Errno.OK
    return found
