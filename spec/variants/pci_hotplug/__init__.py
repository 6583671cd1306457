"""Devices on their buses: what releases do, what series posted, and what nobody did."""

from __future__ import annotations

from spec.variants.pci_hotplug.breaches import VARIANTS as BREACHES
from spec.variants.pci_hotplug.posted import VARIANTS as POSTED
from spec.variants.pci_hotplug.released import VARIANTS as RELEASED

VARIANTS = (*RELEASED, *POSTED, *BREACHES)
