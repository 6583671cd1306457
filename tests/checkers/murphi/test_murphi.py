"""An independent model checker counts the same states and steps, and comes to the same verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.explore.native.search import explore
from checkers.murphi import murphi
from checkers.result import Limits, Renaming
from invariants import complete
from spec.iommufd.object_lifetime import OBJECT_LIFETIME
from spec.language import Bounds, Id, LanguageError, Machine, Program, Variant, build
from spec.machines import MACHINES
from spec.variants import VARIANTS
from tests.checkers.murphi.rumur import asked
from tests.toys.mutex import MUTEX, Mutex, Process
from tests.toys.odd import ODD
from tests.toys.queue import QUEUE, STANDS_STILL
from tests.toys.refcount import FREES_WHILE_HELD, LEAKS_ON_REFUSAL, REFCOUNT

LIFETIME = complete(OBJECT_LIFETIME)
SHARING = complete(MACHINES["hwpt-sharing"])
OBJECTS = complete(MACHINES["iommufd-objects"])
ATTACH = complete(MACHINES["vfio-attach"])
CAPABILITIES = complete(MACHINES["vtd-capabilities"])
PASID_CACHE = complete(MACHINES["pasid-cache"])
CHEAP = (
    "iommufd-objects", "object-lifetime", "pasid-capability", "pci-hotplug", "migration-blocker",
    "vtd-iommu-device", "vtd-address-space",
)  # fmt: skip
"""Machines of which rumur makes a checker in seconds; the others are asked about as witnesses."""

SMALLEST = {"iommufd-objects": {"slots": 3, "devices": 1, "groups": 1}}
"""Bounds for what rumur takes long for at all that are declared."""


@pytest.mark.parametrize(
    "machine",
    [MUTEX, QUEUE, REFCOUNT, *(complete(MACHINES[x]) for x in CHEAP)],
    ids=lambda item: item.name,
)
def test_a_reference_has_as_many_states_and_steps(machine: Machine, tmp_path: Path) -> None:
    agrees(build(machine, "small", values=SMALLEST.get(machine.name)), tmp_path)


@pytest.mark.witness
@pytest.mark.parametrize(
    ("machine", "bounds"),
    [
        (LIFETIME, "S"), (LIFETIME, "A"), (LIFETIME, "B"), (SHARING, "fds"), (OBJECTS, "small"),
        (ATTACH, "small"),
    ],
    ids=lambda item: item if isinstance(item, str) else item.name,
)
def test_so_it_has_at_larger_bounds(machine: Machine, bounds: str, tmp_path: Path) -> None:
    agrees(build(machine, bounds), tmp_path)


@pytest.mark.witness
@pytest.mark.parametrize(
    ("machine", "fewest"),
    [
        (CAPABILITIES, {"pasid_bits": 0, "asked_pasid_bits": 1, "plain": 1}),
        (PASID_CACHE, {"tables": 1, "domains": 1}),
    ],
    ids=lambda item: item.name if isinstance(item, Machine) else "",
)
def test_so_it_has_where_an_action_is_long_or_has_many_parameters(
    machine: Machine, fewest: dict[str, int], tmp_path: Path
) -> None:
    agrees(build(machine, "small", values=fewest), tmp_path)


def test_every_machine_is_asked_about_somewhere() -> None:
    witnesses = (SHARING, ATTACH, CAPABILITIES, PASID_CACHE)
    assert {*CHEAP, *(machine.name for machine in witnesses)} == {*MACHINES}


def agrees(program: Program, tmp_path: Path) -> None:
    """Rumur and the native explorer count the same, and neither finds anything broken."""
    answer = asked(program, tmp_path)
    found = explore(program, frozenset(), Limits(renaming=Renaming.NONE))
    assert answer.error == ""
    assert not found.violations
    assert (answer.states, answer.rules) == (found.states, found.transitions)


@pytest.mark.parametrize(
    ("machine", "variant"),
    [
        (QUEUE, STANDS_STILL),
        (REFCOUNT, FREES_WHILE_HELD),
        (REFCOUNT, LEAKS_ON_REFUSAL),
        (LIFETIME, VARIANTS["lifetime-detach-keeps-count"]),
        (LIFETIME, VARIANTS["lifetime-destroy-while-held"]),
        (SHARING, VARIANTS["mutant-any-iommufd"]),
        (ODD, None),
    ],
    ids=lambda item: item.name if item else "reference",
)
def test_what_is_violated_here_is_an_error_there(
    machine: Machine, variant: Variant | None, tmp_path: Path
) -> None:
    bounds = variant.bounds if variant else "small"
    assert asked(build(machine, bounds, variant), tmp_path).error


def test_the_model_says_what_it_is_of_and_is_always_the_same() -> None:
    variant = VARIANTS["lifetime-detach-keeps-count"]
    text = murphi(build(LIFETIME, "small", variant))
    assert text == murphi(build(LIFETIME, "small", variant))
    head = text.splitlines()[0]
    assert "Machine object-lifetime, bounds small (iommufds=1, slots=3" in head
    assert head.endswith("variant lifetime-detach-keeps-count.")
    assert "--deadlock-detection off --symmetry-reduction off" in text.splitlines()[1]


def test_every_failing_call_is_a_rule_of_its_own() -> None:
    text = murphi(build(REFCOUNT, "small"))
    assert "ruleset holder: 1..2; fault: 0..1 do" in text
    assert "ruleset holder: 1..2; item: 1..2 do" in text


def counted_loop(s: Mutex, process: Id[Process]) -> None:
    """The variable of a loop is read behind it."""
    for i in range(2):
        s.locked = i == 0
    s.locked = i == 1


def test_what_murphi_cannot_say_is_refused_with_its_place() -> None:
    odd = Machine("odd", Mutex, MUTEX.init, (counted_loop,), {"small": Bounds({"processes": 1})})
    with pytest.raises(LanguageError, match=r"test_murphi\.py:\d+: `i` may have no value here"):
        murphi(build(odd, "small"))


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    file = tmp_path / "model.m"
    words = ["export", "object-lifetime", "--murphi", "--bounds", "slots=2", "-o", str(file)]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert "slots=2" in file.read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["object-lifetime"], "export: as what? say --murphi"),
        (["object-lifetimes", "--murphi"], "no machine is called 'object-lifetimes'; did you mean"),
        (["object-lifetime", "--murphi", "--bounds", "huge"], "no bounds of machine"),
        (["object-lifetime", "--murphi", "--variant", "vtd-rfcv3"], "is one of machine"),
        (["object-lifetime", "--murphi", "-o", "."], ".: Is a directory"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(words: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["export", *words])
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
