"""The page of the book that says what was measured, on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

HEAD = """\
Benchmarks
==========

Written by ``python -m benchmarks --page docs/benchmarks.rst``; ``make bench`` measures and prints
the same table. Medians of {runs} runs, one after the other in one session; what takes long was run
once.

What is measured
----------------

`object-lifetime` is the machine that peers have too: models written by hand for spin (Promela) and
for rumur (Murphi), and a program written by hand in C, in ``benchmarks/peers``. All check the same:
that each stored count is the number of referrers; ours also that no check fails. All find the same
states and transitions, or the measurement fails. Symmetry is off for all. `sharing-core` is the
core of `hwpt-sharing` by hand for spin, and as a machine for us: without kernel objects, failing
host calls and the memory map.

*seconds* is the time of the search that went by, without generating and compiling what searches:
spin, rumur and our native explorer make C (*prepare*). *cpu* is processor time, with the
preparation of ours; rumur and our native explorer have two threads, spin and the C program one.
*bytes* is memory a state: the largest size of the process, of ours without what it had before it
searched. The other machines are checked with all their rules.

Measured on
-----------

{facts}

The load was {load} before it began, with {cores} processors{loaded}.

"""

BUSY = """: others were at work on them,
so the time that went by says less than processor time does"""

COLUMNS = {
    "states": "states", "depth": "depth", "seconds": "seconds", "cpu s": "cpu",
    "prepare s": "prepare", "states/s": "states/s", "states/cpu s": "states/cpu s",
    "bytes/state": "bytes", "peak MiB": "peak MiB",
}  # fmt: skip


def page(document: dict[str, Any]) -> str:
    """The page, from the document that is also written as JSON."""
    results = document["results"]
    known = ("version", "load", "results", "ratios")
    lines = [f"* {key}: {value}" for key, value in document.items() if key not in known]
    runs = max((len(item["runs"]) for item in results), default=1)
    busy = BUSY if document["load"] > 0.5 else ""
    text = HEAD.format(
        runs=runs, facts="\n".join(lines), load=document["load"], cores=document["cores"],
        loaded=busy,
    )  # fmt: skip
    parts = [text]
    for subject in dict.fromkeys(item["subject"] for item in results):
        own = [item for item in results if item["subject"] == subject]
        parts += [_heading(subject), _figures(own), *(
            _ratios(rate, of.get(subject, {})) for rate, of in document["ratios"].items()
        )]
    return "\n".join(part for part in parts if part)


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}\n"


def _figures(results: Sequence[dict[str, Any]]) -> str:
    known = [key for key in COLUMNS if any(key in item["median"] for item in results)]
    rows = [[item["tool"], *(_cell(item["median"], key) for key in known)] for item in results]
    told = [
        f"{item['tool']}: {item['median'][word]}.\n"
        for item in results
        for word in ("verdicts", "stopped", "absent", "failed")
        if item["median"].get(word)
    ]
    return "\n".join([_table(["tool", *(COLUMNS[key] for key in known)], rows), *told])


def _cell(figures: dict[str, Any], key: str) -> str:
    value = figures.get(key, "")
    if isinstance(value, str):
        return value
    return f"{value:,.2f}" if value < 100 and value != int(value) else f"{value:,.0f}"


def _ratios(rate: str, found: dict[str, dict[str, float]]) -> str:
    if not found:
        return ""
    peers = list(next(iter(found.values())))
    rows = [[own, *(f"{of[peer]:.2f}" for peer in peers)] for own, of in found.items()]
    return _table([f"times the {rate} of", *peers], rows)


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (list(head), *rows):
        lines += [f"   {' ' if index else '*'} - {cell}".rstrip() for index, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
