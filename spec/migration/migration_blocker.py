"""The machine `migration-blocker`: when what a guest sees of a vIOMMU keeps it where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from spec.language import (
    NONE,
    Bounds,
    Machine,
    Of,
    Range,
    Shape,
    Teardown,
    count,
)
from spec.migration.run import machine_ready, migrate, qemu_exit, system_reset
from spec.migration.state import Migration
from spec.migration.viommu import (
    viommu_realize,
    vtd_dev_set_iommu_device,
    vtd_dev_unset_iommu_device,
)


def shape(values: Mapping[str, int]) -> Shape:
    """Of each host's IOMMUs the first can do all, the second all but the widest and one feature."""
    widths, features, hosts = values["widths"], values["features"], values["hosts"]
    all_of_them = frozenset(range(1, features + 1))
    kinds = (
        (widths, all_of_them),
        (widths - 1, all_of_them - {1}),
        (widths, all_of_them - {features}),
    )[:hosts]
    devices = (1,) * values["source_devices"] + (2,) * values["destination_devices"]
    sizes = {
        "widths": widths,
        "feature_bits": features,
        "capabilities": 7,
        "hosts": 2 * hosts,
        "devices": len(devices),
        "qemus": 2,
    }
    return Shape(
        sizes,
        {
            "": {"seen": (1,)},
            "qemus": {
                "incoming": (False, True),
                "user": (2, 3),
                "cap": (4, 5),
                "frozen": (6, 7),
            },
            "hosts": {
                "qemu": (1,) * hosts + (2,) * hosts,
                "aw_bits": tuple(width for width, _ in kinds * 2),
                "features": tuple(found for _, found in kinds * 2),
            },
            "devices": {"qemu": devices},
        },
    )


def init(
    s: Migration,
    aw_bits: Annotated[int, Range(1, "widths")],
    features: bool,
    aw_bits_there: Annotated[int, Range(1, "widths")],
    features_there: bool,
    accel: bool,
    only_migratable: bool,
) -> None:
    """No QEMU runs; each has been asked for a width and all features or none, and for the rest."""
    s.accel = accel
    s.only_migratable = only_migratable
    for q in s.qemus:
        s.capabilities[q.user].aw_bits = aw_bits_there if q.incoming else aw_bits
        for f in s.feature_bits:
            if features_there if q.incoming else features:
                s.capabilities[q.user].features.add(f.id)


def nothing_runs(s: Migration) -> bool:
    """No QEMU runs, and nothing of one is left."""
    return s.guest == NONE and all(
        not x.ready and not x.realized and x.blockers == 0 for x in s.qemus
    )


def left(s: Migration) -> int:
    """How many QEMUs run: what every exit lowers."""
    return count(x.ready or x.realized for x in s.qemus)


MIGRATION_BLOCKER = Machine(
    name="migration-blocker",
    check={"explicit": ("small", "standard")},
    exhaust={"symbolic": ("standard",)},
    title="What a vIOMMU promises, and migration",
    about="""
    A vIOMMU shows the guest capabilities, and the guest's tables go to IOMMUs of the host that must
    have them. VT-d has what its command line says, and a device whose host has less is refused:
    vtd_check_hiod. A guest that moves to another QEMU is to find there what it saw when it booted,
    also after a reset, and its tables in force. An accelerated SMMU blocks migration from when it
    is made: 001 27/37.

    Events, in each of two QEMUs with command lines and hosts of their own: the vIOMMU is made, and
    what else was asked of it fits or not; a device is plugged, cold or hot, with any IOMMU of the
    host before it; the machine is ready; a device is unplugged; the QEMU ends. The guest, which
    boots in the first, is reset, and is to migrate to the second. The kernel may refuse to tell
    what an IOMMU can do, or to put tables in force, and a migration blocker may be refused. What is
    refused of a command line ends QEMU, and so does a guest that cannot be loaded; a refused
    device_add does not.

    Otherwise than in QEMU 11.1 the destination compares, and what it cannot put in force ends the
    migration (migration-blocker-11.1).

    Not here: the moving of memory and of the devices' own state, with what VFIO has against it; a
    device that comes while the guest is on its way, which QEMU refuses; properties of an
    accelerated SMMU that are resolved from its first device; the tables themselves, of which it is
    known only whether they are in force after a migration.
    """,
    of=Of(
        "reference",
        "VT-d and the accelerated SMMU of QEMU 11.1, put right; what 11.1 does otherwise is "
        "migration-blocker-11.1. 003, in which VT-d follows its hosts, is migration-blocker-003.",
        "QEMU 11.1",
        kernel="not: no object of the kernel is in it",
        qemu="not step by step: two scenarios of `make qemu`, migration-x86 and migration-arm, "
        "have a guest go to another command line, and a blocker",
    ),
    state=Migration,
    init=init,
    actions=(
        viommu_realize,
        vtd_dev_set_iommu_device,
        vtd_dev_unset_iommu_device,
        machine_ready,
        system_reset,
        migrate,
        qemu_exit,
    ),
    shape=shape,
    teardown=Teardown(actions=(qemu_exit,), empty=nothing_runs, rank=left),
    bounds={
        "small": Bounds(
            {
                "widths": 2,
                "features": 2,
                "hosts": 2,
                "source_devices": 2,
                "destination_devices": 1,
            },
            "Two devices at the source and one at the destination. Each host has an IOMMU that can "
            "do all and one that has neither the greater width nor the first feature.",
            5198, 42559, 11, orbits=(4046, 32161, 11),
        ),
        "standard": Bounds(
            {
                "widths": 2,
                "features": 2,
                "hosts": 3,
                "source_devices": 2,
                "destination_devices": 2,
            },
            "Two devices each, and a third IOMMU in each host, which lacks another feature.",
            21086, 247051, 12, orbits=(10588, 119982, 12),
        ),
    },
)  # fmt: skip
