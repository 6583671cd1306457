"""Runs events of `hwpt-sharing` one after the other and tells what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from invariants import complete
from spec.iommufd.objects import Errno, Kind
from spec.language import Program, Variant, build
from spec.language.program import Kind as Ended
from spec.language.program import Outcome
from spec.machines import MACHINES
from spec.vtd.state import Pgtt

FLT, PT, SLT, GONE = Pgtt.FLT, Pgtt.PT, Pgtt.SLT, Pgtt.NONE
A, B = 1, 2


@dataclass
class Scenario:
    """A virtual machine with devices A (coherent) and B (not), both with the erratum."""

    bounds: str = "roomy"
    variant: Variant | None = None
    program: Program = field(init=False)
    state: bytes = field(init=False)
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.program = build(complete(MACHINES["hwpt-sharing"]), self.bounds, self.variant)
        self.state = self.program.initial()[0]

    def take(self, action: str, *values: int, fault: int = 0) -> Outcome:
        """Run one event; it must be enabled and crash nothing."""
        rule = self.program.action(action)
        outcome = self.program.run(rule, self.state, values, fault)
        assert outcome.kind is Ended.DONE, (action, values, fault, outcome.kind, outcome.why)
        self.state = outcome.state
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
        store = self.program.store()
        store.load(self.state)
        return list(store.tables[table])

    def deferred(self) -> list[int]:
        """The ids whose destruction the bottom half has still to do."""
        rule = self.program.action("destroy_deferred")
        runs = {
            values: self.program.run(rule, self.state, values)
            for values in rule.instances(self.program.layout)
        }
        return [values[0] for values, outcome in runs.items() if outcome.kind is Ended.DONE]

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
