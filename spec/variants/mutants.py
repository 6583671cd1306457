"""Small breaches that no series posted: each shows that an invariant can fail."""

from __future__ import annotations

from spec.language import Variant

VARIANTS: tuple[Variant, ...] = ()
