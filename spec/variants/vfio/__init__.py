"""QEMU's VFIO core and the accelerated SMMUv3: released or posted, and what nobody did."""

from __future__ import annotations

from spec.variants.vfio.breaches import VARIANTS as BREACHES
from spec.variants.vfio.otherwise import VARIANTS as OTHERWISE

VARIANTS = (*OTHERWISE, *BREACHES)
