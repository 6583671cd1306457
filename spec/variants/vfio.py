"""What QEMU's VFIO core and the accelerated SMMUv3 did as posted, and breaches that nobody made."""

from __future__ import annotations

from functools import partial

from spec.iommufd.calls import tries_on
from spec.iommufd.objects import Device, Errno, Object
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.attach import iommufd_device_detach
from spec.iommufd.uapi.state import Uapi, group_hwpt, set_group_hwpt
from spec.language import (
    MUTANT,
    NONE,
    Fault,
    Id,
    Seen,
    mirrors,
    overrides,
    posted,
    released,
    require,
    variant_of,
)
from spec.smmuv3.iommu_device import (
    answer_without_hiod,
    pci_device_unset_iommu_device,
    smmuv3_accel_attach_gbpa,
    smmuv3_accel_free_viommu,
    smmuv3_accel_leaves_alone,
    smmuv3_accel_unset_iommu_device,
)
from spec.variants.kernel import (
    areas_are_kept,
    everything_fits,
    nothing_is_forgotten,
    nothing_is_held,
    parent_is_kept,
)
from spec.vfio.attach.device import destroy_deferred
from spec.vfio.calls import vfio_free_id, vfio_unbind
from spec.vfio.iommufd import (
    group_mate,
    has_host_iommu,
    iommufd_cdev_autodomains_put,
    iommufd_cdev_detach,
    iommufd_cdev_refused,
    iommufd_cdev_undo,
    join_group,
    suits_hwpt,
    takes_device,
    vfio_attach,
    vfio_container_forget,
    vfio_device_get_viommu_flags_want_nesting,
    vfio_free,
)
from spec.vfio.listener import vfio_listener_register
from spec.vfio.state import VFIODevice, VFIOIOASHwpt, VFIOIOMMUFDContainer, VFIOState


@overrides(group_mate)
@mirrors("001 12/37 smmuv3_accel_alloc_viommu", "defects S-01", "defects C-01")
def groups_are_unknown(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> Id[VFIODevice]:
    """VFIO tries its own HWPTs, also after the vIOMMU has moved the device's group elsewhere."""
    return NONE


@overrides(smmuv3_accel_attach_gbpa)
@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-05", "defects S-14")
def first_device_only(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> Errno:
    """Only the device for which the vIOMMU object is made goes to where GBPA says."""
    if any(x.hiod_set for x in s.vdevs):
        return Errno.OK
    return smmuv3_accel_attach_gbpa(s, vdev, fault)


@overrides(smmuv3_accel_leaves_alone)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def takes_its_group_along(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A device that leaves goes back to VFIO's HWPT, and its whole group with it."""
    return True


@overrides(answer_without_hiod)
@mirrors("001 12/37 smmuv3_accel_set_iommu_device", "defects S-37")
def no_hiod_is_success(s: VFIOState) -> Errno:
    """A device without a host IOMMU device is none of the vIOMMU's business: an mdev is let in."""
    return Errno.OK


@overrides(vfio_free)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device", "defects C-14")
def free_forgets(s: VFIOState, obj: Id[Object], fault: Fault) -> None:
    """A refused DESTROY is reported, and the id forgotten."""
    vfio_free_id(s, obj, fault)


@overrides(iommufd_cdev_detach)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_detach", "defects C-11")
def hiod_is_pointed_to(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device that is detached keeps the pointer to its host IOMMU device, which is freed."""
    hiod = s.vdevs[vdev].hiod
    iommufd_cdev_detach(s, vdev, fault)
    s.vdevs[vdev].hiod = hiod


@overrides(suits_hwpt)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get")
def any_hwpt(s: VFIOState, vdev: Id[VFIODevice], hwpt: Id[VFIOIOASHwpt]) -> bool:
    """Any HWPT that takes the device will do, also for a vIOMMU that wants a nesting parent."""
    return True


@overrides(takes_device)
@mirrors("002 16/21 vtd_check_hiod", "defects V-34")
def bypass_ro_comes_late(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> bool:
    """Whether read-only memory is mapped is decided when a container is made, for all to come."""
    x = s.containers[container]
    return x.space == s.vdevs[vdev].space and x.be == s.devices[s.vdevs[vdev].dev].fd


@overrides(vfio_device_get_viommu_flags_want_nesting)
@mirrors("000 02/20 pci_device_get_viommu_cap", "defects S-41")
def flags_of_the_host(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """The vIOMMU asks the host IOMMU device what it can do, which is not there yet."""
    return s.vdevs[vdev].nesting and s.vdevs[vdev].hiod


@overrides(has_host_iommu)
@mirrors("004 32/33 vfio_pci_synthesize_pasid_cap", "defects C-04")
def mdevs_too(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A host IOMMU device is realized for an mdev."""
    return True


@overrides(tries_on)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "defects C-01")
def any_error_tries_on(err: Errno) -> bool:
    """Whatever a container's attempt failed of, the next one is tried, and then a new one."""
    return err != Errno.OK


@overrides(join_group)
@mirrors("defects S-01")
def join_forgets(s: VFIOState, vdev: Id[VFIODevice], mate: Id[VFIODevice], fault: Fault) -> Errno:
    """A device that has joined its group does not remember VFIO's HWPT below."""
    return vfio_attach(s, vdev, s.vdevs[mate].attached, fault)


@overrides(vfio_container_forget)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_container_destroy")
def container_remembered(s: VFIOState, container: Id[VFIOIOMMUFDContainer]) -> None:
    """A container that went is still in the list."""


@overrides(iommufd_cdev_autodomains_put)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def hwpt_remembered(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """An HWPT that went is still in the list."""
    hwpt = s.vdevs[vdev].hwpt
    s.vdevs[vdev].hwpt = NONE
    if not any(x.hwpt == hwpt for x in s.vdevs):
        vfio_free(s, s.hwpts[hwpt].hwpt_id, fault)


@overrides(destroy_deferred)
@mirrors("defects C-14")
def deferred_kept(s: VFIOState, obj: Id[Object], fault: Fault) -> None:
    """What was destroyed later is to be destroyed again."""
    require(obj in s.deferred)
    vfio_free_id(s, obj, fault)


@overrides(smmuv3_accel_free_viommu)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def viommu_stays(s: VFIOState, fault: Fault) -> None:
    """The vIOMMU keeps its objects when it has no device any more."""


@overrides(vfio_listener_register)
@mirrors("qemu hw/vfio/listener.c vfio_listener_register")
def nothing_is_replayed(
    s: VFIOState, container: Id[VFIOIOMMUFDContainer], fault: Fault
) -> Errno:
    """A new container hears of what comes, and maps nothing of what is there."""
    s.containers[container].listening = True
    return Errno.OK


@overrides(hwpt_alloc_paging)
@mirrors("kernel R7.16")
def taken_for_automatic(
    s: Uapi, dev: Id[Device], ioas: Id[Object], nest_parent: bool
) -> Id[Object]:
    """An HWPT that QEMU asked for goes like one that an attach has made."""
    hwpt = hwpt_alloc_paging(s, dev, ioas, nest_parent)
    s.objects[hwpt].auto = True
    return hwpt


@overrides(iommufd_cdev_undo)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def nothing_is_undone(
    s: VFIOState,
    vdev: Id[VFIODevice],
    container: Id[VFIOIOMMUFDContainer],
    err: Errno,
    fault: Fault,
) -> Errno:
    """A device that fails late stays attached."""
    return err


@overrides(pci_device_unset_iommu_device)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device")
def unset_unasked(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """The vIOMMU is told to let go of a device that it has never been given."""
    if s.vdevs[vdev].nesting:
        smmuv3_accel_unset_iommu_device(s, vdev, fault)


@overrides(iommufd_device_detach)
@mirrors("kernel R7.7")
def hardware_goes_on(s: Uapi, dev: Id[Device], pasid: bool) -> None:
    """The last device of a group is detached, and its hardware goes through the HWPT still."""
    hwpt = group_hwpt(s, dev, pasid)
    iommufd_device_detach(s, dev, pasid)
    set_group_hwpt(s, dev, pasid, hwpt)


@overrides(vfio_unbind)
@mirrors("kernel R6.3")
def binding_stays(s: Uapi, dev: Id[Device]) -> None:
    """A device whose file is closed stays bound, and its id is free."""
    obj = s.devices[dev].object
    vfio_unbind(s, dev)
    s.devices[dev].object = obj


@overrides(iommufd_cdev_refused)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_unbind_and_disconnect")
def refused_stays_bound(s: VFIOState, vdev: Id[VFIODevice], err: Errno) -> Errno:
    """A device that was refused is forgotten before its file is closed: the id stays."""
    s.devices[s.vdevs[vdev].dev].object = NONE
    return err


variant = partial(variant_of, "vfio-attach", standing=MUTANT)
V9 = posted("001 v9", "001 12/37", "reachable: merged as posted")
APART = "latent: a device whose vIOMMU nests shares no address space with another kind"

VARIANTS = (
    variant(
        "smmuv3-v9-group", groups_are_unknown, bounds="roomy", standing=V9,
        a_device_that_fits_is_not_refused=2,
    ),
    variant(
        "smmuv3-v9-first-only", first_device_only, bounds="apart",
        standing=posted(
            "001 v9", "001 12/37; defects S-05", "reachable: merged as posted",
            Seen("QEMU 11.1.3", "2026-11", "a second device_add under GBPA.ABORT"),
        ),
        gbpa_is_in_force=2,
    ),
    variant(
        "smmuv3-v9-unset", takes_its_group_along, standing=V9, gbpa_is_in_force=3,
        vfio_devices_are_in_place=3,
    ),
    variant(
        "smmuv3-v9-mdev", no_hiod_is_success, bounds="nested-mixed", standing=V9,
        nesting_needs_a_nesting_parent=1, gbpa_is_in_force=1,
    ),
    variant("smmuv3-v9-free", free_forgets, bounds="roomy", standing=V9, vfio_leaks_nothing=2),
    variant(
        "vfio-hiod-dangles", hiod_is_pointed_to, standing=released(
            "QEMU 11.1", "hw/vfio/iommufd.c iommufd_cdev_detach; defects C-11", "reachable"
        ),
        vfio_devices_are_in_place=1,
    ),
    variant(
        "vfio-any-hwpt", any_hwpt, bounds="errata",
        standing=released("QEMU 11.1", "hw/vfio/iommufd.c iommufd_cdev_autodomains_get", APART),
        nesting_needs_a_nesting_parent=2,
    ),
    variant(
        "vfio-late-bypass-ro", bypass_ro_comes_late, bounds="errata",
        standing=released("QEMU 11.1", "002 16/21; defects V-34", APART),
        writeable_only_stays_apart=2,
    ),
    variant(
        "vfio-flags-of-the-host", flags_of_the_host, bounds="errata", standing=posted(
            "000 v4", "000 02/20; defects S-41", "never merged: flags are those of the vIOMMU"
        ),
        nesting_needs_a_nesting_parent=1, writeable_only_stays_apart=1,
    ),
    variant(
        "vfio-mdev-hiod", mdevs_too, bounds="mixed", standing=released(
            "QEMU before 2025", "004 32/33; defects C-04", "fixed: commit 9f17604195"
        ),
        a_device_that_fits_is_not_refused=1,
    ),
    variant(
        "vfio-any-error", any_error_tries_on, bounds="errata",
        standing=released("QEMU 11.1", "hw/vfio/iommufd.c iommufd_cdev_attach", "reachable"),
        one_container_is_enough=2,
    ),
    variant(
        "vfio-join-forgets", join_forgets,
        vfio_devices_are_in_place=2, a_device_is_on_its_hwpt=2, nesting_needs_a_nesting_parent=2,
    ),
    variant(
        "vfio-container-remembered", container_remembered, containers_are_as_remembered=1,
        containers_map_their_space=1, a_refused_device_changes_nothing=1,
    ),
    variant(
        "vfio-hwpt-remembered", hwpt_remembered, hwpts_are_as_remembered=1,
        a_refused_device_changes_nothing=1,
    ),
    variant("vfio-deferred-kept", deferred_kept, what_waits_is_live=3),
    variant(
        "vfio-viommu-stays", viommu_stays, bounds="roomy",
        the_viommu_is_for_its_devices=1, the_viommus_parent_stays=1,
        a_refused_device_changes_nothing=1,
    ),
    variant("vfio-nothing-replayed", nothing_is_replayed, containers_map_their_space=1),
    variant(
        "vfio-areas-kept", areas_are_kept,
        about="What an IOAS has mapped is still there when its id names another object.",
        no_mapping_without_an_ioas=2,
    ),
    variant("vfio-unset-unasked", unset_unasked, bounds="errata", no_failed_check=2),
    variant(
        "vfio-hardware-goes-on", hardware_goes_on, groups_agree=1,
        hardware_uses_a_live_hwpt=1, attached_hwpts_fit=1,
    ),
    variant(
        "vfio-everything-fits", everything_fits, bounds="translated",
        about="The driver takes any HWPT, also one that enforces a coherency that the device has "
        "not.",
        attached_hwpts_fit=2,
    ),
    variant(
        "vfio-nothing-held", nothing_is_held,
        about="DESTROY never answers EBUSY.",
        destroy_is_ebusy_while_held=1, made_on_what_is_there=2, no_failed_check=2,
    ),
    variant(
        "vfio-parent-kept", parent_is_kept, uapi_refs_equal_referrers=1,
        teardown_reachable=1, destroy_is_ebusy_while_held=1,
    ),
    variant(
        "vfio-nothing-forgotten", nothing_is_forgotten, bounds="iommus",
        nothing_is_left_in_a_reused_id=1,
    ),
    variant(
        "vfio-binding-stays", binding_stays, bound_devices_have_their_object=1,
        vfio_devices_are_in_place=1,
    ),
    variant(
        "vfio-refused-stays-bound", refused_stays_bound, device_objects_have_their_device=1,
        vfio_leaks_nothing=1, a_refused_device_changes_nothing=1,
    ),
    variant(
        "vfio-taken-for-automatic", taken_for_automatic, vfio_asks_for_no_more=1,
        hwpts_are_as_remembered=1, what_waits_is_live=1, nothing_is_left_in_a_reused_id=1,
    ),
    variant(
        "vfio-nothing-undone", nothing_is_undone, a_refused_device_changes_nothing=1,
        vfio_devices_are_in_place=1, containers_are_as_remembered=1, containers_map_their_space=1,
    ),
)
