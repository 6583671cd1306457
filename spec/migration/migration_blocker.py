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
from spec.migration.run import machine_ready, migrate, qemu_exit
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
        "capabilities": 6,
        "hosts": 2 * hosts,
        "devices": len(devices),
        "qemus": 2,
    }
    return Shape(
        sizes,
        {
            "": {"user": (1,), "seen": (2,)},
            "qemus": {"incoming": (False, True), "cap": (3, 4), "frozen": (5, 6)},
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
    accel: bool,
    only_migratable: bool,
) -> None:
    """No QEMU runs; the user has chosen a width, all features or none, and the rest."""
    s.accel = accel
    s.only_migratable = only_migratable
    s.capabilities[s.user].aw_bits = aw_bits
    for f in s.feature_bits:
        if features:
            s.capabilities[s.user].features.add(f.id)


def nothing_runs(s: Migration) -> bool:
    """No QEMU runs, and nothing of one is left."""
    return s.guest == NONE and all(
        not x.ready and not x.realized and not x.notifier and x.blockers == 0 for x in s.qemus
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
    have them. Where a cold-plugged device's host has less, VT-d shows less; from then on it is not
    what the user's command line says, and not what another QEMU would show, so the guest may not be
    migrated. Once the machine is ready a device is held against the vIOMMU and fits or is refused:
    003. An accelerated SMMU blocks migration from the start: 001 27/37.

    Events, in each of two QEMUs with one command line and hosts of their own: the vIOMMU is made,
    and what else was asked of it fits or not; a device is plugged, cold or hot, with any IOMMU of
    the host before it; the machine is ready; a device is unplugged; the QEMU ends. The guest, which
    boots in the first, is to migrate to the second. The kernel may refuse to tell what an IOMMU can
    do, and a migration blocker may be refused.

    Not here: the moving of memory and of the devices' own state, with what VFIO has against it; a
    device that comes while the guest is on its way, which QEMU refuses; the copy of the registers
    that moves with the guest, which goes by what it has read before.
    """,
    of=Of(
        "posted",
        "003 v1, put right: VT-d follows its hosts; and the blocker of 001 27/37.",
        "no QEMU as to VT-d; QEMU 11.1 as to the SMMU",
        kernel="not: no object of the kernel is in it",
        qemu="not: two QEMUs and a migration between them are not driven yet",
    ),
    state=Migration,
    init=init,
    actions=(
        viommu_realize,
        vtd_dev_set_iommu_device,
        vtd_dev_unset_iommu_device,
        machine_ready,
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
            2939, 23518, 13, orbits=(2141, 16861, 13),
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
            24863, 284951, 16, orbits=(10966, 124463, 16),
        ),
    },
)  # fmt: skip
