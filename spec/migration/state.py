"""Two QEMUs with their hosts, and what the vIOMMU of each promises the guest."""

from __future__ import annotations

from typing import Annotated

from spec.language import CONST, NONE, Id, IdSet, Range, Record, State, Table, mirrors


class Feature(Record):
    """A bit of the capability registers that only a vIOMMU over a host with it can have."""


class Capabilities(Record):
    """The capability registers of a vIOMMU: its address width, in steps, and its features."""

    aw_bits: Annotated[int, Range(0, "widths")]
    features: IdSet[Feature]


class HostIOMMU(Record):
    """An IOMMU of a QEMU's host, and what it can do."""

    qemu: Annotated[Id[Qemu], CONST]
    aw_bits: Annotated[int, Range(1, "widths"), CONST]
    features: Annotated[IdSet[Feature], CONST]


class Device(Record):
    """A passthrough device of a QEMU; `host` is the IOMMU before it in the host, if plugged."""

    qemu: Annotated[Id[Qemu], CONST]
    host: Id[HostIOMMU]


class Qemu(Record):
    """A QEMU; `incoming`: it waits for a guest.

    `user` is what its command line has the vIOMMU have. `realized`: the vIOMMU is there, with
    `cap`; `frozen` is what that was when the machine was `ready`. `blockers` counts what it has
    registered that keeps the guest from leaving.
    """

    incoming: Annotated[bool, CONST]
    user: Annotated[Id[Capabilities], CONST]
    cap: Annotated[Id[Capabilities], CONST]
    frozen: Annotated[Id[Capabilities], CONST]
    ready: bool
    realized: bool
    blockers: Annotated[int, Range(0, 3)]

    def label(self) -> str:
        """Which of the two."""
        return "destination" if self.incoming else "source"


class Migration(State):
    """Two QEMUs, and the guest.

    `accel`: the vIOMMU of both is an accelerated SMMU, else VT-d. `guest` is where the guest runs,
    `seen` what it saw when it booted, and `in_force`: its tables translate for its devices.
    """

    accel: bool
    only_migratable: bool
    guest: Id[Qemu]
    in_force: bool
    seen: Annotated[Id[Capabilities], CONST]
    feature_bits: Table[Feature]
    capabilities: Table[Capabilities]
    hosts: Table[HostIOMMU]
    devices: Table[Device]
    qemus: Table[Qemu]


@mirrors("qemu hw/i386/intel_iommu.c vtd_cap_init", "003 v1 vtd_cap_init")
def vtd_cap_init(s: Migration, cap: Id[Capabilities], source: Id[Capabilities]) -> None:
    """One set of capabilities is made what another is."""
    s.capabilities[cap].aw_bits = s.capabilities[source].aw_bits
    for f in s.feature_bits:
        if f.id in s.capabilities[source].features:
            s.capabilities[cap].features.add(f.id)
        else:
            s.capabilities[cap].features.discard(f.id)


def no_capabilities(s: Migration, cap: Id[Capabilities]) -> None:
    """There is no vIOMMU, or no guest, to have any."""
    s.capabilities[cap].aw_bits = 0
    s.capabilities[cap].features.clear()


def same_capabilities(s: Migration, cap: Id[Capabilities], other: Id[Capabilities]) -> bool:
    """Whether a guest cannot tell the one from the other."""
    return s.capabilities[cap].aw_bits == s.capabilities[other].aw_bits and all(
        (f.id in s.capabilities[cap].features) == (f.id in s.capabilities[other].features)
        for f in s.feature_bits
    )


@mirrors("qemu hw/i386/intel_iommu.c vtd_check_hiod", "002 09/21 vtd_check_hiod")
def host_can(s: Migration, host: Id[HostIOMMU], cap: Id[Capabilities]) -> bool:
    """Whether an IOMMU of the host can do all that a vIOMMU promises."""
    return s.capabilities[cap].aw_bits <= s.hosts[host].aw_bits and all(
        f.id in s.hosts[host].features or f.id not in s.capabilities[cap].features
        for f in s.feature_bits
    )


def plugged(s: Migration, qemu: Id[Qemu]) -> bool:
    """Whether a QEMU has a passthrough device."""
    return any(x.qemu == qemu and x.host != NONE for x in s.devices)
