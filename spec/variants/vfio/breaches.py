"""Breaches of VFIO's rules that nobody made: each shows that a rule can be broken."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Device, Errno, Object
from spec.iommufd.uapi.alloc import hwpt_alloc_paging
from spec.iommufd.uapi.attach import iommufd_device_detach
from spec.iommufd.uapi.state import Uapi, group_hwpt, set_group_hwpt
from spec.language import (
    MUTANT,
    NONE,
    Fault,
    Id,
    mirrors,
    overrides,
    require,
    variant_of,
)
from spec.smmuv3.iommu_device import smmuv3_accel_free_viommu
from spec.variants.uapi.kernel import (
    areas_are_kept,
    everything_fits,
    nothing_is_forgotten,
    nothing_is_held,
    parent_is_kept,
)
from spec.vfio.attach.device import vfio_pci_undo
from spec.vfio.bottom_halves import destroy_deferred, vfio_free
from spec.vfio.calls import vfio_free_id, vfio_unbind
from spec.vfio.iommufd import (
    iommufd_cdev_autodomains_put,
    iommufd_cdev_refused,
    join_group,
    vfio_attach,
    vfio_container_forget,
    vfio_container_unlist,
    vfio_hwpt_unlist,
)
from spec.vfio.listener import vfio_listener_register
from spec.vfio.state import (
    Containers,
    Deferring,
    VFIODevice,
    VFIOIOASHwpt,
    VFIOIOMMUFDContainer,
    VFIOState,
)


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
def deferred_kept(s: Deferring, obj: Id[Object], fault: Fault) -> None:
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
    s: Containers, container: Id[VFIOIOMMUFDContainer], fault: Fault
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


@overrides(vfio_pci_undo)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach")
def nothing_is_undone(s: VFIOState, vdev: Id[VFIODevice], fault: Fault) -> None:
    """A device that fails late stays attached."""


@overrides(vfio_hwpt_unlist)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_put")
def hwpt_listed(s: VFIOState, hwpt: Id[VFIOIOASHwpt]) -> None:
    """The list of a container still leads to an HWPT that went."""


@overrides(vfio_container_unlist)
@mirrors("qemu hw/vfio/container.c vfio_address_space_get")
def container_listed(s: VFIOState, container: Id[VFIOIOMMUFDContainer]) -> None:
    """The list of an address space still leads to a container that went."""


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
def refused_stays_bound(s: VFIOState, vdev: Id[VFIODevice]) -> None:
    """A device that was refused is forgotten before its file is closed: the id stays."""
    s.devices[s.vdevs[vdev].dev].object = NONE


variant = partial(variant_of, "vfio-attach", standing=MUTANT)

VARIANTS = (
    variant(
        "vfio-join-forgets", join_forgets,
        vfio_devices_are_in_place=2, a_device_is_on_its_hwpt=2, nesting_needs_a_nesting_parent=2,
        a_device_is_over_the_viommus_parent=2,
    ),
    variant(
        "vfio-container-remembered", container_remembered, containers_are_as_remembered=1,
        containers_map_their_space=1, a_refused_device_changes_nothing=1,
    ),
    variant(
        "vfio-hwpt-remembered", hwpt_remembered, hwpts_are_as_remembered=1, hwpts_are_listed=1,
        a_refused_device_changes_nothing=1,
    ),
    variant("vfio-hwpt-listed", hwpt_listed, bounds="iommus", hwpts_are_listed=2),
    variant("vfio-container-listed", container_listed, containers_are_listed=1),
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
        no_mapping_without_an_ioas=3,
    ),
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
        destroy_is_ebusy_while_held=1, made_on_what_is_there=2, a_device_is_on_its_hwpt=2,
        hardware_uses_a_live_hwpt=2, attached_hwpts_fit=2, no_failed_check=3,
        a_device_that_fits_is_not_refused=3,
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
        vfio_devices_are_in_place=1, gbpa_is_in_force=1,
    ),
)
