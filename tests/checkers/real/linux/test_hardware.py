"""Where the devices of a machine are, in QEMU's words and in the kernel's."""

from __future__ import annotations

from checkers.real.linux.batch import Machine, Trait
from checkers.real.linux.hardware import names, vt_d

COHERENT = Trait.COHERENT


def machine(*groups: int, bridges: tuple[int, ...] = (), traits: Trait = COHERENT) -> Machine:
    devices = tuple((group, traits) for group in (*groups, *bridges))
    return Machine(0, 5, len(groups), devices)


def test_a_group_is_the_functions_of_one_slot() -> None:
    two = machine(0, 0, 1)
    assert names(two).split() == [b"0000:00:04.0", b"0000:00:04.1", b"0000:00:05.0"]
    assert [word for word in vt_d(two, scalable=False).options if word.startswith("edu")] == [
        "edu,addr=4.0,multifunction=on",
        "edu,addr=4.1,multifunction=on",
        "edu,addr=5.0,multifunction=on",
    ]


def test_a_group_with_a_bridge_is_behind_it() -> None:
    two = machine(0, 1, 1, bridges=(1,))
    assert names(two).split() == [b"0000:00:04.0", b"0000:01:01.0", b"0000:01:02.0"]
    assert [word for word in vt_d(two, scalable=False).options if "addr=" in word] == [
        "pcie-pci-bridge,id=bridge5,addr=5.0",
        "edu,addr=4.0,multifunction=on",
        "edu,bus=bridge5,addr=1.0",
        "edu,bus=bridge5,addr=2.0",
    ]


def test_the_iommu_is_as_coherent_as_its_devices_and_in_the_mode_asked_for() -> None:
    legacy, scalable = (vt_d(machine(0), scalable) for scalable in (False, True))
    assert "intel-iommu,intremap=off,snoop-control=on" in legacy.options
    assert "sm_off" in legacy.words
    (iommu,) = (word for word in scalable.options if word.startswith("intel-iommu"))
    assert "x-scalable-mode=on" in iommu
    assert "sm_on" in scalable.words
    assert "snoop-control=off" in " ".join(vt_d(machine(0, traits=Trait(0)), True).options)
