"""VT-d's first stage as it was built: what QEMU 11.1 does otherwise, and what nobody did."""

from __future__ import annotations

from spec.variants.vtd_accel.breaches import VARIANTS as BREACHES
from spec.variants.vtd_accel.released import VARIANTS as RELEASED

VARIANTS = (*RELEASED, *BREACHES)
