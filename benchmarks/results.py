"""All figures of a run of the benchmarks, and how many times one tool is as fast as another."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.cases import Case
from benchmarks.figures import Figures
from benchmarks.peers import PEERS
from checkers.result import Explorer

OURS = tuple(item.value for item in Explorer)

RATES = ("states/s", "states/cpu s")
"""Of the time that went by, and of processor time: where others are at work the latter counts."""

Ratios = dict[str, dict[str, dict[str, float]]]


def medians(runs: list[Figures]) -> Figures:
    """The median of each number; a text as the first run has it."""
    found: Figures = {}
    for key, value in runs[0].items():
        numbers = [item for run in runs if not isinstance(item := run.get(key, ""), str)]
        found[key] = value if isinstance(value, str) else statistics.median(numbers)
    return found


def result(case: Case, runs: list[Figures]) -> dict[str, Any]:
    """One case in the document."""
    return {
        "name": case.name, "subject": case.subject, "tool": case.tool,
        "runs": runs, "median": medians(runs),
    }  # fmt: skip


def ratios(results: list[dict[str, Any]], rate: str) -> Ratios:
    """Of each subject, how many times the rate of a peer each of our explorers has."""
    rates: dict[str, dict[str, float]] = {}
    for item in results:
        if rate in item["median"]:
            rates.setdefault(item["subject"], {})[item["tool"]] = item["median"][rate]
    found = {}
    for subject, of in rates.items():
        peers = [name for name in PEERS if name in of]
        if peers:
            found[subject] = {
                own: {name: round(of[own] / of[name], 2) for name in peers}
                for own in OURS if own in of
            }
    return found


def differing(results: list[dict[str, Any]]) -> list[str]:
    """Tools that did not find the same number of states, or of transitions, as others did."""
    seen: dict[tuple[str, str], dict[float, list[str]]] = {}
    for item in results:
        for key in ("states", "transitions"):
            if key in item["median"] and not item["median"].get("stopped"):
                of = seen.setdefault((item["subject"], key), {})
                of.setdefault(item["median"][key], []).append(item["tool"])
    return [
        f"{subject}: {key} differ: " + "; ".join(
            f"{value:.0f} of {', '.join(tools)}" for value, tools in of.items()
        )
        for (subject, key), of in seen.items() if len(of) > 1
    ]
