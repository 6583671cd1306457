"""What the guest has in memory, what the vIOMMU has cached of it, and what it has made of that."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from spec.iommufd.objects import Device, Object, PgTable
from spec.language import CONST, NONE, Id, Record, Table, mirrors, require
from spec.vfio.bottom_halves import nothing_is_deferred
from spec.vfio.state import Deferring
from spec.vtd.state import DomainId, Pgtt


class Context(IntEnum):
    """A context entry of the guest, by how far the PASID directory goes that it points to.

    SMALL: requests without a PASID alone are in it. LARGE: every PASID is.
    """

    ABSENT = 0
    SMALL = 1
    LARGE = 2


class VTDHostIOMMUDevice(Record):
    """A passthrough device behind the vIOMMU.

    `hwpt_id` is the nesting parent that VFIO has attached it to. `context` is its context entry in
    the guest's memory, `context_due`: the context cache has been invalidated since it was written.
    """

    dev: Annotated[Id[Device], CONST]
    hwpt_id: Id[Object]
    context: Context
    context_due: bool


class VTDPasid(Record):
    """One PASID of one device: the guest's entry in memory, and the vIOMMU's entry in its cache.

    `pasid`: not the one of requests without any (IOMMU_NO_PASID). `mem_` is what the guest's table
    says. `due`: invalidations have covered that since it was written, so it must be in force. Until
    then `stale` and `stale2` are the domain ids of entries that it has superseded and that may be
    in force still; `was_absent`: so may be that there was none.

    The cached entry is `pgtt`, `did`, `flpt`: NONE if there is none; `fs_hwpt_id` is the nested
    HWPT for it. `blocked`: without an entry, the device is detached. `retry`: the host refused, and
    the guest has no answer yet.
    """

    vtd_hiod: Annotated[Id[VTDHostIOMMUDevice], CONST]
    pasid: Annotated[bool, CONST]
    mem_pgtt: Pgtt
    mem_did: DomainId
    mem_flpt: PgTable
    due: bool
    stale: DomainId
    stale2: DomainId
    was_absent: bool
    pgtt: Pgtt
    did: DomainId
    flpt: PgTable
    fs_hwpt_id: Id[Object]
    blocked: bool
    retry: bool


class PasidCacheState(Deferring):
    """The vIOMMU with its devices, and the host below.

    `root_scalable`: the root table is of scalable mode, `dmar_enabled`: GSTS.TES.
    """

    dmar_enabled: bool
    root_scalable: bool
    hiods: Table[VTDHostIOMMUDevice]
    entries: Table[VTDPasid]


@mirrors("qemu hw/i386/intel_iommu.c vtd_handle_gcmd_te")
def translating(s: PasidCacheState) -> bool:
    """Whether requests are translated by scalable-mode tables."""
    return s.dmar_enabled and s.root_scalable


@mirrors("qemu hw/i386/intel_iommu.c vtd_process_inv_desc")
def next_event(s: PasidCacheState) -> None:
    """The guest's next request is looked at when the last one is done and nothing waits."""
    require(not any(x.retry for x in s.entries))
    nothing_is_deferred(s)


def of_a_device(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """Whether there is the device whose PASID it is."""
    return s.hiods[s.entries[x].vtd_hiod].hwpt_id != NONE


@mirrors("002 08/21 vtd_dev_to_context_entry")
def in_directory(s: PasidCacheState, x: Id[VTDPasid]) -> bool:
    """Whether the guest's directory reaches a PASID, of a device that has a context entry."""
    context = s.hiods[s.entries[x].vtd_hiod].context
    return context == Context.LARGE or (context == Context.SMALL and not s.entries[x].pasid)


@mirrors("002 13/21 vtd_get_pe_in_pasid_leaf_table")
def asked(s: PasidCacheState, x: Id[VTDPasid]) -> Pgtt:
    """What the guest's tables ask for: NONE for what is absent, cannot be done, or is not used."""
    pgtt = s.entries[x].mem_pgtt
    usable = translating(s) and in_directory(s, x) and pgtt in (Pgtt.FLT, Pgtt.PT)
    return pgtt if usable else Pgtt.NONE


def device_of_pasid(s: PasidCacheState, x: Id[VTDPasid]) -> Id[Device]:
    """The device whose PASID it is."""
    return s.hiods[s.entries[x].vtd_hiod].dev
