"""Each variant fails exactly as its manifest says, and each invariant is broken by one."""

from __future__ import annotations

import pytest

from checkers.explore.verdicts import check
from checkers.result import Limits, Verdict
from invariants import complete
from spec.language import Machine, Variant, build
from spec.language.program import Kind
from spec.language.rules import CRASH, TEARDOWN
from spec.machines import MACHINES
from spec.variants import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda v: v.name)
def test_a_variant_breaks_what_it_says_in_as_many_steps(variant: Variant) -> None:
    program = build(complete(MACHINES[variant.machine]), variant.bounds, variant)
    findings = check(program, frozenset(variant.expects), Limits())
    found = {
        finding.rule: len(finding.violation.steps)
        for finding in findings
        if finding.verdict is Verdict.VIOLATED and finding.violation
    }
    assert variant.expects
    assert found == dict(variant.expects)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda m: m.name)
def test_every_invariant_can_fail(machine: Machine) -> None:
    found = complete(machine)
    rules = {rule.name for rule in found.invariants} | {CRASH, TEARDOWN}
    broken = {
        rule
        for variant in VARIANTS.values()
        if variant.machine == found.name
        for rule in variant.expects
    }
    assert broken == rules


def test_the_series_as_posted_leaks_when_a_present_entry_is_replaced() -> None:
    """The trace that the series is known by, and the reference that does not do it."""
    steps = (
        ("plug", (1,)),
        ("gcmd_translation_enable", (1,)),
        ("pasid_cache_invalidate", (1, 1, 1, 1)),
        ("pasid_cache_invalidate", (1, 1, 1, 2)),
    )
    left = {}
    for variant in (None, VARIANTS["vtd-rfcv3"]):
        program = build(complete(MACHINES["hwpt-sharing"]), "small", variant)
        state = program.initial()[0]
        for name, values in steps:
            outcome = program.run(program.action(name), state, values)
            assert (outcome.kind, outcome.result) == (Kind.DONE, 0)
            state = outcome.state
        rule = program.invariants["no-leaked-object"]
        left[variant.name if variant else None] = [
            values
            for values in rule.instances(program.layout)
            if not program.evaluate(rule, state, values=values)
        ]
    assert left[None] == []
    assert left["vtd-rfcv3"] == [(6,)]
