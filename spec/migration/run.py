"""A guest boots, is reset, moves to another QEMU, and ends with the QEMU that it is in."""

from __future__ import annotations

from spec.iommufd.objects import Errno
from spec.language import NONE, Fault, Id, first, host_call, mirrors, require
from spec.migration.state import (
    Migration,
    Qemu,
    no_capabilities,
    same_capabilities,
    vtd_cap_init,
)
from spec.migration.viommu import qemu_ends, vtd_init


@mirrors("003 v1 frozen", "qemu system/vl.c qdev_machine_creation_done")
def machine_ready(s: Migration, qemu: Id[Qemu]) -> None:
    """The command line has been read: capabilities are frozen; at the source the guest boots."""
    q = s.qemus[qemu]
    require(not q.ready and (q.incoming or s.guest == NONE))
    q.ready = True
    vtd_cap_init(s, q.frozen, q.cap)
    if not q.incoming:
        s.guest = qemu
        s.in_force = True
        vtd_cap_init(s, s.seen, q.cap)


@mirrors("qemu hw/i386/intel_iommu.c vtd_reset_exit")
def system_reset(s: Migration) -> None:
    """The guest is reset, and boots again: the vIOMMU is what it was."""
    require(s.guest != NONE and s.qemus[s.guest].realized)
    vtd_init(s, s.guest)
    s.in_force = True


@mirrors("qemu migration/migration.c migrate_prepare", "001 27/37 migrate_add_blocker")
def migrate(s: Migration, fault: Fault) -> Errno:
    """The guest is to move to a QEMU that waits for it, and does if nothing is against it.

    A QEMU that cannot load it ends, and the guest stays where it is.
    """
    dest = first(x.id for x in s.qemus if x.incoming and x.ready)
    require(s.guest != NONE and dest != NONE and s.guest != dest)
    if s.qemus[s.guest].blockers > 0:
        return Errno.EBUSY
    err = vtd_post_load(s, dest, fault)
    if err == Errno.OK:
        s.guest = dest
    else:
        qemu_ends(s, dest)
    return err


@mirrors("qemu hw/i386/intel_iommu.c vtd_post_load", "000 02/20 target")
def vtd_post_load(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """The destination takes the guest if it promises what the source did, and can do it."""
    promised = s.qemus[dest].realized == s.qemus[s.guest].realized and same_capabilities(
        s, s.qemus[dest].cap, s.qemus[s.guest].cap
    )
    return vtd_replay_pasid_bindings_all(s, dest, fault) if promised else Errno.EINVAL


@mirrors("qemu hw/i386/intel_iommu.c vtd_replay_pasid_bindings_all", "defects V-29")
def vtd_replay_pasid_bindings_all(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """The tables of the guest are put in force for the devices of the destination."""
    if any(x.qemu == dest and x.host != NONE for x in s.devices):
        return vtd_device_attach_iommufd(s, dest, fault)
    return Errno.OK


@mirrors("qemu hw/i386/intel_iommu_accel.c vtd_device_attach_iommufd")
@host_call("vtd_device_attach_hwpt {dest} ({ret})", fails=Errno.EIO)
def vtd_device_attach_iommufd(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """The kernel has each device translate with the guest's tables, or refuses one of them."""
    return Errno.OK


@mirrors("qemu system/runstate.c qemu_cleanup")
def qemu_exit(s: Migration, qemu: Id[Qemu]) -> None:
    """A QEMU is ended, and the guest with it if it has it."""
    require(s.qemus[qemu].realized or s.qemus[qemu].ready)
    qemu_ends(s, qemu)
    if s.guest == qemu:
        s.guest = NONE
        s.in_force = False
        no_capabilities(s, s.seen)
