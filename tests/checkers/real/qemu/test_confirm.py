"""A variant and the scenarios that show it: one names the other, and confirming runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checkers import machines
from checkers.real.qemu import confirm
from checkers.real.qemu.every_tale import ON_ARM, ON_X86
from checkers.real.qemu.root import Binary
from checkers.real.qemu.start import ARM, X86
from checkers.real.qemu.tale import Tale
from checkers.userfiles import InputError
from spec.variants import VARIANTS

TALES = {**ON_X86, **ON_ARM}
NAMED = {name for item in VARIANTS.values() if item.standing for name in item.standing.scenarios}
ON_QEMU = [
    seen
    for item in VARIANTS.values()
    if item.standing
    for seen in item.standing.seen
    if seen.build.startswith("QEMU")
]


def test_what_was_seen_of_qemu_names_scenarios_that_there_are() -> None:
    assert ON_QEMU
    for seen in ON_QEMU:
        assert seen.scenarios, seen
        assert set(seen.scenarios) <= TALES.keys(), seen
        passed_over = "--without-kvm-check" in seen.by
        assert passed_over == any(name in ON_ARM for name in seen.scenarios), seen


def test_a_scenario_is_named_by_a_variant_or_says_why_not() -> None:
    reasons = confirm.UNNAMED
    assert NAMED | reasons.keys() == TALES.keys()
    assert not NAMED & reasons.keys(), "a variant names these: take their reasons away"
    assert all(reasons.values())


@pytest.mark.parametrize(
    ("variant", "why"),
    [
        ("mutant-wrong-id", "is a mutant, which nobody wrote"),
        ("vtd-rfcv3", "was posted in"),
        ("smmuv3-v9-group", "is of QEMU 11.1, and no scenario on a QEMU shows it"),
        ("linux-7.3-unreserved", "is of Linux 7.3, and no scenario on a QEMU shows it"),
    ],
)
def test_what_cannot_be_confirmed_says_why_and_what_can(variant: str, why: str) -> None:
    with pytest.raises(InputError) as error:
        list(confirm.confirm(machines.variant(variant), None, without_kvm_check=True))
    said = str(error.value)
    assert said.startswith(f"{variant}: {why}")
    assert said.count("\n") == 0
    known = said.partition("--confirm knows ")[2].split(", ")
    assert "smmuv3-v9-first-only" in known
    assert variant not in known


def test_what_wants_kvm_says_so() -> None:
    with pytest.raises(InputError, match="QEMU wants KVM for S-05; say --without-kvm-check"):
        list(confirm.confirm(machines.variant("smmuv3-v9-first-only"), None, False))


def test_without_a_qemu_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no program"):
        list(confirm.confirm(machines.variant("migration-blocker-11.1"), tmp_path, False))


def _shows(tale: Tale) -> str:
    tale.lines.append("  DESTROY -> 0")
    return "it stays"


def _shows_not(tale: Tale) -> str:
    tale.lines.append("  DESTROY -> 0")
    raise AssertionError


@pytest.mark.parametrize(
    ("scenario", "came"),
    [
        (_shows, "migration-x86: reproduced on QEMU 11.1.9: it stays\n    DESTROY -> 0"),
        (_shows_not, "migration-x86: not reproduced on QEMU 11.1.9: raise AssertionError\n"),
    ],
)
def test_it_is_reproduced_or_not(
    scenario: Callable[[Tale], str], came: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Binary(Path("qemu"), ("qemu",), {}, "11.1.9", None)
    monkeypatch.setitem(ON_X86, "migration-x86", scenario)
    monkeypatch.setattr(confirm, "binary", lambda name, given: found)
    (item,) = confirm.confirm(machines.variant("migration-blocker-11.1"), None, False)
    assert item.text().startswith(came)
    assert bool(item.otherwise) == (scenario is _shows_not)


def test_each_program_has_scenarios_of_its_own() -> None:
    assert not ON_X86.keys() & ON_ARM.keys()
    assert [program for _, program, _ in confirm.GROUPS] == [X86, ARM]
