"""The named machines: which actions, which bounds, and why those bounds."""

from __future__ import annotations

from spec.iommufd.object_lifetime import OBJECT_LIFETIME
from spec.iommufd.uapi.iommufd_objects import IOMMUFD_OBJECTS
from spec.language import Machine
from spec.migration.migration_blocker import MIGRATION_BLOCKER
from spec.pci.pci_hotplug import PCI_HOTPLUG
from spec.vfio.attach.vfio_attach import VFIO_ATTACH
from spec.vfio.pasid_capability import PASID_CAPABILITY
from spec.vtd.accel.pasid_cache import PASID_CACHE
from spec.vtd.capabilities.vtd_capabilities import VTD_CAPABILITIES
from spec.vtd.hwpt_sharing import HWPT_SHARING
from spec.vtd.regions.vtd_address_space import VTD_ADDRESS_SPACE
from spec.vtd.set_unset.vtd_iommu_device import VTD_IOMMU_DEVICE

MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        HWPT_SHARING,
        IOMMUFD_OBJECTS,
        OBJECT_LIFETIME,
        PASID_CAPABILITY,
        PCI_HOTPLUG,
        MIGRATION_BLOCKER,
        VFIO_ATTACH,
        VTD_CAPABILITIES,
        VTD_IOMMU_DEVICE,
        VTD_ADDRESS_SPACE,
        PASID_CACHE,
    )
}
