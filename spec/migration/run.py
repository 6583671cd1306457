"""A guest boots, moves to another QEMU, and ends with the QEMU that it is in."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Id, check, first, mirrors, require
from spec.migration.state import (
    Migration,
    Qemu,
    no_capabilities,
    same_capabilities,
    vtd_cap_init,
)
from spec.migration.viommu import viommu_unrealize


@mirrors("003 v1 frozen", "defects S-40")
def machine_ready(s: Migration, qemu: Id[Qemu]) -> None:
    """The command line has been read: capabilities are frozen; at the source the guest boots."""
    q = s.qemus[qemu]
    require(not q.ready and (q.incoming or s.guest == NONE))
    check(q.realized or not q.notifier, "the notifier of a vIOMMU that was freed is called")
    q.ready = True
    vtd_cap_init(s, q.frozen, q.cap)
    if not q.incoming:
        s.guest = qemu
        vtd_cap_init(s, s.seen, q.cap)


@mirrors("003 v1 migration", "001 27/37 migrate_add_blocker")
def migrate(s: Migration) -> Errno:
    """The guest is to move to a QEMU that waits for it, and does if nothing is against it."""
    dest = first(x.id for x in s.qemus if x.incoming and x.ready)
    require(s.guest != NONE and dest != NONE and s.guest != dest)
    if s.qemus[s.guest].blockers > 0:
        return Errno.EBUSY
    if not vtd_post_load(s, dest):
        return Errno.EINVAL
    s.guest = dest
    return Errno.OK


@mirrors("003 v1 migration", "000 02/20 target")
def vtd_post_load(s: Migration, dest: Id[Qemu]) -> bool:
    """Whether the destination promises what the source did; its hosts may be others."""
    return s.qemus[dest].realized == s.qemus[s.guest].realized and same_capabilities(
        s, s.qemus[dest].cap, s.qemus[s.guest].cap
    )


@mirrors("001 27/37 smmu_realize")
def qemu_exit(s: Migration, qemu: Id[Qemu]) -> None:
    """A QEMU ends, with its devices, its vIOMMU, and the guest if it has it."""
    q = s.qemus[qemu]
    require(q.realized or q.ready)
    for x in s.devices:
        if x.qemu == qemu:
            x.host = NONE
    if q.realized:
        viommu_unrealize(s, qemu)
    q.ready = False
    no_capabilities(s, q.frozen)
    if s.guest == qemu:
        s.guest = NONE
        no_capabilities(s, s.seen)
