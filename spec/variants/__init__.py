"""Designs as posted: what a series really did, as overrides of the reference."""

from __future__ import annotations

from spec.language import Variant
from spec.variants import mutants, vtd_rfcv3

VARIANTS: dict[str, Variant] = {
    variant.name: variant for variant in (*vtd_rfcv3.VARIANTS, *mutants.VARIANTS)
}
