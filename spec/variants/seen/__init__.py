"""The released QEMU that findings were seen on, and the scenarios that show them there."""

from __future__ import annotations

from spec.language import Seen, Standing, released


def seen(*scenarios: str) -> Seen:
    """A run of scenarios, with what they need, on the build of QEMU that was asked."""
    by = f"`python -m checkers.real.qemu {' '.join(scenarios)}`"
    return Seen("QEMU 11.1.3", "2026-11-24", by)


def in_qemu(source: str, *scenarios: str) -> Standing:
    """What QEMU 11.1 does, reproduced if there are scenarios that show it."""
    return released("QEMU 11.1", source, "reachable", *([seen(*scenarios)] if scenarios else []))
