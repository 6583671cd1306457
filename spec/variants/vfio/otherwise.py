"""What QEMU's VFIO core and the accelerated SMMUv3 do otherwise, as released and as posted."""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno, Object
from spec.iommufd.uapi.state import Driver
from spec.language import (
    MUTANT,
    NONE,
    Fault,
    Id,
    check,
    first,
    mirrors,
    overrides,
    posted,
    released,
    variant_of,
)
from spec.memory.section import Section
from spec.smmuv3.iommu_device import (
    pci_device_supports_address_space,
    smmuv3_accel_attach_gbpa,
    smmuv3_accel_gbpa_refused,
    smmuv3_accel_leaves_alone,
    smmuv3_accel_was_given,
)
from spec.variants.seen import in_qemu
from spec.vfio.bottom_halves import vfio_free
from spec.vfio.calls import vfio_free_id
from spec.vfio.iommufd import (
    group_mate,
    has_host_iommu,
    iommufd_cdev_detach,
    newest_container,
    suits_hwpt,
    takes_device,
    tries_next_container,
    vfio_device_get_viommu_flags_want_nesting,
)
from spec.vfio.listener import vfio_map_refused, vfio_unmap_refused
from spec.vfio.state import (
    Containers,
    Deferring,
    VFIODevice,
    VFIOIOASHwpt,
    VFIOIOMMUFDContainer,
    VFIOKind,
    VFIOState,
)


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


@overrides(pci_device_supports_address_space)
@mirrors("001 10/37 smmuv3_accel_supports_as", "defects S-37")
def no_hiod_is_success(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """What is linked to an iommufd may come: an mdev too, to which no guest table applies."""
    x = s.vdevs[vdev]
    return not x.nesting or s.driver != Driver.ARM or x.kind != VFIOKind.LEGACY


@overrides(smmuv3_accel_gbpa_refused)
@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_attach_gbpa_hwpt", "defects S-19")
def gbpa_is_over(s: VFIOState) -> None:
    """A device that the kernel will not move is reported, and stays; the guest's write is over."""


@overrides(smmuv3_accel_was_given)
@mirrors("qemu hw/arm/smmuv3-accel.c smmuv3_accel_unset_iommu_device")
def nobody_asks_what_was_given(s: VFIOState, vdev: Id[VFIODevice]) -> bool:
    """A device that came before its vIOMMU has no record there; the record is used all the same."""
    check(s.vdevs[vdev].hiod_set, "NULL: the vIOMMU was never given this device")
    return True


@overrides(vfio_free)
@mirrors("001 12/37 smmuv3_accel_unset_iommu_device", "defects C-14")
def free_forgets(s: Deferring, obj: Id[Object], fault: Fault) -> None:
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
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_autodomains_get", "defects V-34")
def bypass_ro_comes_late(
    s: VFIOState, vdev: Id[VFIODevice], container: Id[VFIOIOMMUFDContainer]
) -> bool:
    """Whether read-only memory is mapped is not looked at: a container was there and maps it."""
    return s.containers[container].be == s.devices[s.vdevs[vdev].dev].fd


@overrides(newest_container)
@mirrors("qemu hw/vfio/container.c vfio_address_space_get")
def spaces_are_one(s: VFIOState, vdev: Id[VFIODevice]) -> Id[VFIOIOMMUFDContainer]:
    """All address spaces that show system memory are taken for one."""
    return first(x.newest for x in s.spaces if x.newest != NONE)


@overrides(vfio_unmap_refused)
@mirrors("qemu hw/vfio/listener.c vfio_iommu_map_notify")
def unmap_is_over(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]
) -> None:
    """What the kernel would not unmap is reported; the guest's invalidation completes."""


@overrides(vfio_map_refused)
@mirrors("qemu hw/vfio/listener.c vfio_container_region_add")
def qemu_stops(s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section]) -> None:
    """RAM that cannot be mapped into a container in use is a hardware error, and QEMU aborts."""
    x = s.containers[container]
    reported = s.spaces[x.space].iommu or s.sections[section].ram_device
    check(reported or not x.listening, "hw_error: DMA mapping failed, unable to continue")
    vfio_map_refused(s, container, section)


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


@overrides(tries_next_container)
@mirrors("qemu hw/vfio/iommufd.c iommufd_cdev_attach", "defects C-01")
def any_error_tries_on(err: Errno) -> bool:
    """Whatever a container's attempt failed of, the next one is tried, and then a new one."""
    return err != Errno.OK


variant = partial(variant_of, "vfio-attach", standing=MUTANT)
ARM = "--without-kvm-check"
RELEASED = (
    groups_are_unknown, first_device_only, takes_its_group_along, no_hiod_is_success,
    gbpa_is_over, nobody_asks_what_was_given, free_forgets, hiod_is_pointed_to, any_hwpt,
    bypass_ro_comes_late, any_error_tries_on, unmap_is_over, qemu_stops,
)  # fmt: skip
"""All that QEMU 11.1 does otherwise than the reference."""

VARIANTS = (
    variant(
        "qemu-11.1-vfio-attach", *RELEASED, bounds="roomy",
        about="All that QEMU 11.1 does otherwise, which is what its binary is compared with.",
        standing=in_qemu(
            "hw/vfio and hw/arm/smmuv3-accel.c",
            f"{ARM} S-05 smmuv3-refused-destroy smmuv3-refused-unplug smmuv3-refused "
            "smmuv3-tries-on smmuv3-two-parents vtd-refused-map vtd-refused-unmap",
        ),
        without=("destroy-was-refused-to-vfio", "destroy_deferred", "gbpa_bh"),
        vfio_devices_are_in_place=1, vfio_leaks_nothing=2, gbpa_is_in_force=2,
        a_device_that_fits_is_not_refused=2, a_refused_device_changes_nothing=2,
        teardown_reachable=2,
    ),
    variant(
        "smmuv3-v9-group", groups_are_unknown, bounds="roomy",
        standing=in_qemu("001 12/37; defects S-01"), a_device_that_fits_is_not_refused=2,
    ),
    variant(
        "smmuv3-v9-first-only", first_device_only, bounds="apart",
        standing=in_qemu("001 12/37; defects S-05", f"{ARM} S-05"),
        gbpa_is_in_force=3,
    ),
    variant(
        "smmuv3-v9-unset", takes_its_group_along, standing=in_qemu("001 12/37"),
        gbpa_is_in_force=4,
    ),
    variant(
        "smmuv3-v9-mdev", no_hiod_is_success, bounds="nested-mixed",
        standing=in_qemu("001 10/37; defects S-37"),
        nesting_needs_a_nesting_parent=1, gbpa_is_in_force=1,
    ),
    variant(
        "smmuv3-v9-free", free_forgets, bounds="roomy",
        standing=in_qemu(
            "001 12/37; defects C-14", f"{ARM} smmuv3-refused-destroy smmuv3-refused-unplug"
        ),
        vfio_leaks_nothing=2,
    ),
    variant(
        "smmuv3-gbpa-refused", gbpa_is_over,
        standing=in_qemu(
            "hw/arm/smmuv3-accel.c smmuv3_accel_attach_gbpa_hwpt; defects S-19",
            f"{ARM} smmuv3-refused",
        ),
        gbpa_is_in_force=2,
    ),
    variant(
        "smmuv3-unset-unasked", nobody_asks_what_was_given, bounds="v6-15",
        standing=in_qemu("hw/arm/smmuv3-accel.c smmuv3_accel_unset_iommu_device"),
        no_failed_check=2,
    ),
    variant(
        "vfio-hiod-dangles", hiod_is_pointed_to,
        standing=in_qemu("hw/vfio/iommufd.c iommufd_cdev_detach; defects C-11"),
        vfio_devices_are_in_place=1,
    ),
    variant(
        "vfio-any-hwpt", any_hwpt, spaces_are_one, bounds="vtd-group",
        standing=released(
            "QEMU 11.1", "hw/vfio/iommufd.c iommufd_cdev_autodomains_get",
            "latent: devices for which a vIOMMU nests share no address space with others, and so "
            "no container; here all address spaces are taken for one",
        ),
        nesting_needs_a_nesting_parent=2, vfio_devices_are_in_place=2,
    ),
    variant(
        "vfio-late-bypass-ro", bypass_ro_comes_late, bounds="one-slot",
        standing=released(
            "QEMU 11.1", "002 16/21; defects V-34",
            "latent: VT-d devices share a container only while one that has left their slot is "
            "not finalized, and Linux reports the erratum of all of them or of none (R5.3)",
        ),
        writeable_only_stays_apart=3,
    ),
    variant(
        "vfio-flags-of-the-host", flags_of_the_host, bounds="one-slot", standing=posted(
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
        "vfio-any-error", any_error_tries_on, bounds="apart",
        standing=in_qemu(
            "hw/vfio/iommufd.c iommufd_cdev_attach", f"{ARM} smmuv3-tries-on smmuv3-two-parents"
        ),
        one_container_is_enough=2, a_device_is_on_its_hwpt=2,
        a_device_is_over_the_viommus_parent=2,
    ),
    variant(
        "vfio-unmap-over", unmap_is_over, bounds="translated",
        standing=in_qemu("hw/vfio/listener.c vfio_iommu_map_notify"),
        containers_map_their_space=3,
    ),
    variant(
        "vfio-qemu-stops", qemu_stops, bounds="memory",
        standing=in_qemu(
            "hw/vfio/listener.c vfio_container_region_add",
            "vtd-refused-map vtd-refused-unmap",
        ),
        no_failed_check=2,
    ),
)
