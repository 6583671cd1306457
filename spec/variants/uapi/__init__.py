"""The kernel: what releases do otherwise, and what nobody did."""

from __future__ import annotations

from spec.variants.uapi.breaches import VARIANTS as BREACHES
from spec.variants.uapi.released import VARIANTS as RELEASED

VARIANTS = (*RELEASED, *BREACHES)
