"""VT-d first-stage translation of passthrough devices, rfcv3: 002 15/21 and 16/21 as posted.

One override for each thing the posted code does differently from the reference. `vtd-rfcv3` is the
series; each of the others is the reference with a single one of its defects, so that one defect
does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import (
    iommufd_backend_alloc_ioas,
    iommufd_backend_free_id,
    iommufd_cdev_attach_ioas_hwpt,
    tries_on,
)
from spec.iommufd.objects import Errno, Object, PgTable
from spec.language import NONE, Fault, Id, check, mirrors, overrides, posted, variant_of
from spec.vtd.address_space import memory_listener_register
from spec.vtd.ioas_container import (
    vtd_container_matches,
    vtd_create_s1_hwpt,
    vtd_destroy_s1_hwpt,
    vtd_device_attach_container,
    vtd_device_attach_hwpt,
    vtd_device_attach_iommufd,
    vtd_device_attach_new_container,
    vtd_device_detach_hwpt,
    vtd_device_detach_iommufd,
    vtd_forget_hwpt,
    vtd_free_id,
    vtd_ioas_container_abandon,
    vtd_ioas_container_forget,
    vtd_ioas_container_new,
    vtd_ioas_container_populate,
    vtd_ioas_container_put_s2_hwpt,
    vtd_set_hwpt,
)
from spec.vtd.iommu_device import vtd_dev_unset_iommu_device
from spec.vtd.pasid_cache import (
    vtd_device_detach_pgtbl,
    vtd_fill_pe_in_cache,
    vtd_iommu_lock,
    vtd_iommu_unlock,
    vtd_sm_pasid_table_walk_one,
)
from spec.vtd.state import (
    DomainId,
    IntelIOMMUState,
    Pgtt,
    VTDAddressSpace,
    VTDIOASContainer,
    VTDS2Hwpt,
)


@overrides(vtd_set_hwpt)
@mirrors("002 15/21 vtd_device_attach_hwpt", "002 15/21 vtd_bind_guest_pasid", "defects V-01")
def set_hwpt_overwrites(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    hwpt: Id[Object],
    s2: Id[VTDS2Hwpt],
    fault: Fault,
) -> None:
    """VTD_PASID_UPDATE takes the path of BIND: the record of the old HWPT is overwritten."""
    if hwpt == NONE:
        return
    s.s2_hwpts[s2].users += 1
    s.address_spaces[vtd_as].hwpt_id = hwpt
    s.address_spaces[vtd_as].s2_hwpt = s2


@overrides(vtd_device_attach_hwpt)
@mirrors("002 15/21 vtd_device_attach_hwpt", "defects V-02")
def attach_hwpt_forgets(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    s2: Id[VTDS2Hwpt],
    pgtt: Pgtt,
    flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object]]:
    """The record is written before the attach and zeroed when it fails: the old id is lost."""
    err = Errno.OK
    hwpt = s.s2_hwpts[s2].hwpt_id
    if pgtt == Pgtt.FLT:
        err, hwpt = vtd_create_s1_hwpt(s, vtd_as, s2, flpt, fault)
        if err != Errno.OK:
            return err, NONE
    err = iommufd_cdev_attach_ioas_hwpt(s, s.address_spaces[vtd_as].hiod, hwpt, fault)
    if err != Errno.OK:
        if pgtt == Pgtt.FLT:
            vtd_destroy_s1_hwpt(s, hwpt, fault)
        s.address_spaces[vtd_as].hwpt_id = NONE
        return err, NONE
    return Errno.OK, hwpt


@overrides(vtd_device_attach_iommufd)
@mirrors("002 15/21 vtd_device_attach_pgtbl", "defects V-03")
def attach_iommufd_aborts(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> Errno:
    """The attach is given error_abort: any final refusal of the host aborts QEMU."""
    err = vtd_device_attach_iommufd(s, vtd_as, pgtt, flpt, fault)
    check(err == Errno.OK, "error_abort: the host refused to attach")
    return err


@overrides(vtd_device_detach_pgtbl)
@mirrors("002 15/21 vtd_device_detach_pgtbl", "defects V-03")
def detach_pgtbl_aborts(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """The detach is given error_abort too."""
    err = vtd_device_detach_iommufd(s, vtd_as, fault)
    check(err == Errno.OK, "error_abort: the host refused to detach")
    return err


@overrides(vtd_device_attach_new_container)
@mirrors("002 15/21 vtd_device_attach_iommufd", "defects V-04")
def new_container_ignores_alloc(
    s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], pgtt: Pgtt, flpt: PgTable, fault: Fault
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """`ret < 0` of a bool is never true: a refused IOAS_ALLOC goes on with an id of no object.

    The attach fails then, and `ret`, still false, is answered: success with nothing attached.
    """
    device = s.devices[s.address_spaces[vtd_as].hiod]
    err, ioas = iommufd_backend_alloc_ioas(s, device.fd, fault)
    if err != Errno.OK:
        return Errno.OK, NONE, NONE
    container = vtd_ioas_container_new(s, device.fd, ioas, device.erratum)
    err, hwpt, s2 = vtd_ioas_container_populate(s, vtd_as, container, pgtt, flpt, fault)
    if err != Errno.OK:
        vtd_ioas_container_abandon(s, container, fault)
    return err, hwpt, s2


@overrides(vtd_set_hwpt)
@mirrors("002 15/21 vtd_device_attach_hwpt", "defects V-04")
def set_hwpt_of_nothing(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    hwpt: Id[Object],
    s2: Id[VTDS2Hwpt],
    fault: Fault,
) -> None:
    """The record is written where the attach succeeds, so not when nothing was attached."""
    if hwpt != NONE:
        vtd_set_hwpt(s, vtd_as, hwpt, s2, fault)


@overrides(vtd_ioas_container_populate)
@mirrors("002 15/21 vtd_device_attach_iommufd")
def populate_after_attach(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    container: Id[VTDIOASContainer],
    pgtt: Pgtt,
    flpt: PgTable,
    fault: Fault,
) -> tuple[Errno, Id[Object], Id[VTDS2Hwpt]]:
    """The device is attached first; if mapping fails it is detached, not put back where it was."""
    err, hwpt, s2 = vtd_device_attach_container(s, vtd_as, container, pgtt, flpt, fault)
    if err != Errno.OK:
        return err, NONE, NONE
    err = memory_listener_register(s, container, fault)
    if err != Errno.OK:
        vtd_device_detach_hwpt(s, vtd_as, fault)
        if hwpt != s.s2_hwpts[s2].hwpt_id:
            vtd_destroy_s1_hwpt(s, hwpt, fault)
        vtd_ioas_container_put_s2_hwpt(s, s2, fault)
    return err, hwpt, s2


@overrides(vtd_ioas_container_abandon)
@mirrors("002 15/21 vtd_device_attach_iommufd")
def abandon_keeps_listening(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], fault: Fault
) -> None:
    """err_listener_register frees the container without unregistering its listener."""
    vtd_free_id(s, s.containers[container].ioas_id, fault)
    vtd_ioas_container_forget(s, container)


@overrides(vtd_dev_unset_iommu_device)
@mirrors("002 10/21 vtd_hiod_destroy", "defects V-10")
def unset_without_unbind(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> None:
    """The device leaves the hash table; what was bound for it stays."""
    vtd_iommu_lock(s)
    s.address_spaces[vtd_as].hiod_set = False
    vtd_iommu_unlock(s)


@overrides(vtd_device_detach_iommufd)
@mirrors("002 15/21 vtd_device_detach_hwpt", "defects C-14")
def detach_goes_on(s: IntelIOMMUState, vtd_as: Id[VTDAddressSpace], fault: Fault) -> Errno:
    """A refused detach is reported, and the page tables are let go of all the same."""
    vtd_device_detach_hwpt(s, vtd_as, fault)
    vtd_forget_hwpt(s, vtd_as, fault)
    return Errno.OK


@overrides(vtd_free_id)
@mirrors("002 15/21 vtd_destroy_s1_hwpt", "defects C-14")
def free_id_forgets(s: IntelIOMMUState, obj: Id[Object], fault: Fault) -> None:
    """A refused DESTROY is reported and the id forgotten."""
    iommufd_backend_free_id(s, obj, fault)


@overrides(tries_on)
@mirrors("002 15/21 vtd_device_attach_container", "defects C-01")
def any_error_tries_next(err: Errno) -> bool:
    """Whatever the host's reason, the next stage-2 is tried, the next container, a new one."""
    return err != Errno.OK


@overrides(vtd_sm_pasid_table_walk_one)
@mirrors("002 13/21 vtd_sm_pasid_table_walk_one", "defects V-06")
def walk_unlocked(
    s: IntelIOMMUState,
    vtd_as: Id[VTDAddressSpace],
    pgtt: Pgtt,
    did: DomainId,
    flpt: PgTable,
    fault: Fault,
) -> Errno:
    """The lock covers the look-up of the address space only; the cache is filled without it."""
    vtd_iommu_lock(s)
    found = s.address_spaces[vtd_as].hiod_set
    vtd_iommu_unlock(s)
    return vtd_fill_pe_in_cache(s, vtd_as, pgtt, did, flpt, fault) if found else Errno.OK


@overrides(vtd_container_matches)
@mirrors("002 15/21 vtd_device_attach_iommufd")
def container_matches_any_errata(
    s: IntelIOMMUState, container: Id[VTDIOASContainer], vtd_as: Id[VTDAddressSpace]
) -> bool:
    """Before 16/21 a container serves every device of its iommufd, with the erratum or without."""
    device = s.devices[s.address_spaces[vtd_as].hiod]
    return s.containers[container].iommufd == device.fd


AS_POSTED = (
    set_hwpt_overwrites,
    attach_hwpt_forgets,
    attach_iommufd_aborts,
    detach_pgtbl_aborts,
    new_container_ignores_alloc,
    populate_after_attach,
    abandon_keeps_listening,
    unset_without_unbind,
    detach_goes_on,
    free_id_forgets,
    any_error_tries_next,
)

TODAY = "never merged: the merged series keeps no containers of its own"
variant = partial(
    variant_of, "hwpt-sharing", bounds="roomy", standing=posted("002 rfcv3", "002 15/21", TODAY)
)

VARIANTS = (
    variant(
        "vtd-rfcv3", *AS_POSTED, standing=posted("002 rfcv3", "002 15/21, 16/21", TODAY),
        about="The series as posted, but for the walk without the lock: it ends every trace.",
        no_leaked_object=4, users_equal_devices=4, bindings_are_attached=3, one_stage2_of_a_kind=4,
        no_failed_check=3, sharers_see_one_map=4,
    ),
    variant(
        "vtd-rfcv3-update", set_hwpt_overwrites,
        about="Replacing an entry leaks what was bound.",
        no_leaked_object=4, users_equal_devices=4,
    ),
    variant(
        "vtd-rfcv3-attach-error", attach_hwpt_forgets,
        about="A refused replace loses the id that is still attached.",
        a_refusal_keeps_bindings=4, no_leaked_object=4, bindings_are_attached=4,
    ),
    variant(
        "vtd-rfcv3-abort-attach", attach_iommufd_aborts,
        about="A refused attach aborts QEMU.",
        no_failed_check=3,
    ),
    variant(
        "vtd-rfcv3-abort-detach", detach_pgtbl_aborts,
        about="A refused detach aborts QEMU.",
        no_failed_check=4,
    ),
    variant(
        "vtd-rfcv3-ioas-unchecked", new_container_ignores_alloc, set_hwpt_of_nothing,
        about="A refused IOAS_ALLOC is taken for success; the unbind that follows crashes.",
        bindings_are_attached=3, no_failed_check=4,
    ),
    variant(
        "vtd-rfcv3-attach-first", populate_after_attach,
        about="A refused map leaves the device blocked, not where it was.",
        a_refusal_keeps_bindings=3,
    ),
    variant(
        "vtd-rfcv3-listener", abandon_keeps_listening,
        about="The listener of a freed container is called at the next change of the memory map.",
        containers_follow_the_map=3, no_failed_check=4, a_refusal_leaves_nothing_behind=3,
    ),
    variant(
        "vtd-rfcv3-unset", unset_without_unbind,
        standing=posted(
            "002 rfcv3", "002 15/21", "never merged: V-25 is what QEMU 11.1 leaves undone there"
        ),
        about="Unplug of a bound device unbinds nothing.",
        bindings_are_attached=4, sharers_see_one_map=4,
    ),
    variant(
        "vtd-rfcv3-detach-error", detach_goes_on,
        about="A refused detach is taken for done: the device still uses what is let go of.",
        bindings_are_attached=4,
    ),
    variant(
        "vtd-rfcv3-free-error", free_id_forgets,
        about="A refused DESTROY loses the id.",
        no_leaked_object=4,
    ),
    variant(
        "vtd-rfcv3-any-error", any_error_tries_next,
        about="A transient error makes a second container: guest memory is pinned twice.",
        one_container_of_a_kind=5, one_stage2_of_a_kind=6,
    ),
    variant(
        "vtd-rfcv3-unlocked", walk_unlocked,
        about="The cache is filled without the lock.",
        no_failed_check=3,
    ),
    variant(
        "vtd-rfcv3-no-errata", container_matches_any_errata, bounds="errata",
        about="15/21 alone: a device with the erratum shares the read-only mappings of another.",
        read_only_exclusion=5,
    ),
)
