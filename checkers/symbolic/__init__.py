"""Proofs for all lengths by induction, and shortest counterexamples where there is no proof."""

from checkers.symbolic.check import check

__all__ = ["check"]
