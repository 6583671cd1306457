"""Other designs: what releases and posted series do, and breaches, as overrides."""

from __future__ import annotations

from spec.language import Variant
from spec.variants.lifetimes import VARIANTS as LIFETIMES
from spec.variants.migration_blocker import VARIANTS as MIGRATION_BLOCKER
from spec.variants.mutants import VARIANTS as MUTANTS
from spec.variants.pasid_capability import VARIANTS as PASID_CAPABILITY
from spec.variants.pci_hotplug import VARIANTS as PCI_HOTPLUG
from spec.variants.uapi import VARIANTS as UAPI
from spec.variants.vfio import VARIANTS as VFIO
from spec.variants.vtd_accel import VARIANTS as VTD_ACCEL
from spec.variants.vtd_capabilities import VARIANTS as VTD_CAPABILITIES
from spec.variants.vtd_iommu_device import VARIANTS as VTD_IOMMU_DEVICE
from spec.variants.vtd_regions import VARIANTS as VTD_REGIONS
from spec.variants.vtd_rfcv3 import VARIANTS as VTD_RFCV3

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        *VTD_RFCV3,
        *MUTANTS,
        *LIFETIMES,
        *PASID_CAPABILITY,
        *PCI_HOTPLUG,
        *MIGRATION_BLOCKER,
        *UAPI,
        *VFIO,
        *VTD_CAPABILITIES,
        *VTD_IOMMU_DEVICE,
        *VTD_ACCEL,
        *VTD_REGIONS,
    )
}
