"""Each variant says what it is of, and each machine how it is held against the real systems."""

from __future__ import annotations

import re

import pytest

from checkers.commands.driving import MACHINE as DRIVEN
from checkers.real.qemu.command_lines import MACHINE as STARTED
from checkers.real.qemu.lockstep.of_vfio_attach import MACHINE as IN_LOCKSTEP
from spec.language import Machine, Variant
from spec.machines import MACHINES
from spec.variants import VARIANTS

TODAY = re.compile(
    r"reachable(: .+)?|latent: .+|fixed( in (QEMU|Linux) [\d.]+)?(: .+)?|never merged(: .+)?"
)
DAY = re.compile(r"20\d\d-\d\d(-\d\d)?")


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda v: v.name)
def test_a_variant_says_what_it_is_of(variant: Variant) -> None:
    found = variant.standing
    assert found is not None
    if found.kind == "mutant":
        assert (found.of, found.source, found.today, found.seen) == ("", "", "", ())
        return
    assert found.kind in ("released", "posted")
    assert found.of
    assert found.source
    assert TODAY.fullmatch(found.today), found.today
    assert found.kind == "posted" or not found.today.startswith("never merged")
    assert not (found.seen and found.today.startswith(("latent", "never merged")))
    for seen in found.seen:
        assert seen.build
        assert seen.by
        assert DAY.fullmatch(seen.day)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda m: m.name)
def test_a_machine_says_what_it_is_of_and_how_it_is_held(machine: Machine) -> None:
    of = machine.of
    assert of is not None
    assert of.kind in ("reference", "posted")
    assert of.design.endswith(".")
    assert of.versions
    drive = f"`viommu-spec drive {machine.name} --"
    for held in (of.kernel, of.qemu):
        assert held.startswith((drive, "`make qemu`")) or re.match(r"not\b.*: \w", held), held
    assert of.kernel.startswith("not") == (machine.name != DRIVEN)
    assert of.qemu.startswith("`make qemu`") == (machine.name == STARTED)
    assert of.qemu.startswith(drive) == (machine.name == IN_LOCKSTEP)
