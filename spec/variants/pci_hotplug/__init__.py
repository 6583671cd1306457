"""Devices on their buses: what series posted, and what none did."""

from __future__ import annotations

from spec.variants.pci_hotplug.breaches import VARIANTS as BREACHES
from spec.variants.pci_hotplug.posted import VARIANTS as POSTED

VARIANTS = (*POSTED, *BREACHES)
