"""What a measurement finds, by the names of the table's columns."""

from __future__ import annotations

Figures = dict[str, float | int | str]


def rates(figures: Figures) -> Figures:
    """The figures with what was found a second: of the time that went by, of processor time."""
    seconds, cpu = (max(float(figures[key]), 1e-9) for key in ("seconds", "cpu s"))
    return figures | {
        "states/s": float(figures["states"]) / seconds,
        "transitions/s": float(figures["transitions"]) / seconds,
        "states/cpu s": float(figures["states"]) / cpu,
    }
