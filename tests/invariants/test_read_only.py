"""What the rules on read-only mappings say of states that break another rule, too."""

from __future__ import annotations

from checkers.machines import machine, program
from spec.iommufd.objects import Kind


def test_a_stage2_for_writeable_mappings_needs_an_ioas_to_be_over_one_without_others() -> None:
    found = program(machine("hwpt-sharing"), "small")
    store = found.store()
    store.load(found.initial()[0])
    orphan = store.state.objects[4]
    orphan.kind, orphan.writeable_only = Kind.HWPT_PAGING, True
    state = store.freeze()
    rule = found.invariants["writeable-only-holds"]
    readonly = [section.id for section in store.state.sections if section.readonly]
    rows = [row for (row,) in rule.instances(found.layout)]
    broken = [row for row in rows if not found.evaluate(rule, state, values=(row,))]
    assert broken == readonly != []
