"""Takes an action by columns: all runs of a block that its guard allows, then those with faults."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from checkers.columns.deeds import Deed, rebuilt
from checkers.columns.kernel import WIDTH, Column, Kernel, Registers
from checkers.columns.packing import Bytes, Packing, turned_back
from checkers.columns.taken import Ended, Naming, Taken
from checkers.columns.visited import Numbers
from checkers.columns.writing import Writer
from checkers.explicit.instances import FAULTS
from checkers.frontend.ir import BOOL, Graph, Node
from checkers.result import Step


@dataclass(frozen=True)
class _Runs:
    """Runs to make: from which states, with which values of the open parameters, which fault."""

    sources: Numbers
    choices: Column
    faults: Column


class TableAction:
    """An action of which some parameters are columns."""

    def __init__(
        self, number: int, deed: Deed, after: Mapping[Node, Node], packing: Packing,
        registers: Registers,
    ) -> None:
        self.number, self.deed, self.packing = number, deed, packing
        self.registers = registers
        graph, layout = packing.merger.graph, packing.merger.layout
        domains = [
            tuple(layout.domain(item.type)) if value is None else (value,)
            for item, value in zip(deed.rule.parameters, deed.given, strict=True)
        ]
        self.values: list[tuple[int, ...]] = []
        self.roots: list[Node] = []
        for values in itertools.product(*domains):
            guard = _guard(graph, deed, values)
            if guard is not graph.false:
                self.values.append(values)
                self.roots.append(guard)
        assert len(self.values) < 1 << 16
        self.inputs = [*deed.open, *([deed.fault] if deed.fault is not None else [])]
        self.fails = deed.fault is not None
        writer = Writer([packing], self.inputs)
        self.kernel = writer.kernel(registers, [deed.enabled, deed.calls, deed.result], after)
        self._ends: Kernel | None = None
        self._values = [
            np.array(
                [values[at] for values in self.values],
                dtype=np.bool_ if deed.parameters[at].type == BOOL else np.uint8,
            )
            for at, value in enumerate(deed.given) if value is None
        ]

    def take(
        self, columns: Bytes, masks: Sequence[Column], faults: bool
    ) -> Iterator[Taken | Ended]:
        """Take it wherever its guards allow, and if asked with every fault that strikes."""
        places = [np.flatnonzero(mask) for mask in masks]
        sources = np.concatenate(places)
        choices = np.repeat(np.arange(len(places), dtype=np.uint16), list(map(len, places)))
        for part in _parts(_Runs(sources, choices, np.zeros(len(sources), dtype=np.uint8))):
            calls = yield from self._made(columns, part)
            if faults and self.fails:
                for struck in _parts(_struck(part, calls)):
                    yield from self._made(columns, struck)

    def _made(self, columns: Bytes, runs: _Runs) -> Generator[Taken | Ended, None, Numbers]:
        """Make runs, no more than fit in a kernel; the answer is how many calls each made."""
        count = len(runs.sources)
        before = columns.take(runs.sources, axis=1)
        table: Bytes = np.empty((self.packing.bytes, count), dtype=np.uint8)
        given = self._given(runs)
        enabled, made, result = self.kernel.run(before, given, table)
        calls, done = made.astype(np.int64), np.flatnonzero(enabled)
        errors = np.flatnonzero(result[done])
        if len(done) < count:
            yield from self._ended(before, given, runs, np.flatnonzero(~enabled))
            before, table = before.take(done, axis=1), table.take(done, axis=1)
        if len(done):
            shown = (errors, before, table) if len(errors) else (None, None, None)
            rows, sources = turned_back(table), runs.sources.take(done)
            yield Taken(self.number, sources, rows, self._naming(runs), done, *shown)
        return calls

    def _given(self, runs: _Runs) -> list[Column]:
        given = [values.take(runs.choices) for values in self._values]
        return [*given, runs.faults] if self.fails else given

    def _ended(
        self, before: Bytes, given: Sequence[Column], runs: _Runs, others: Numbers
    ) -> Iterator[Ended]:
        """How those runs ended that did not come to the action's end."""
        ends = [("check", end) for end in self.deed.crashes]
        ends += [("limit", end) for end in self.deed.cuts]
        if not ends:
            return
        if self._ends is None:
            roots = [condition for _, (condition, _) in ends]
            self._ends = Writer([self.packing], self.inputs).kernel(self.registers, roots)
        columns = before.take(others, axis=1)
        hits = self._ends.run(columns, [values.take(others) for values in given])
        for (kind, (_, why)), hit in zip(ends, hits, strict=True):
            places = others.take(np.flatnonzero(hit))
            if len(places):
                naming = self._naming(runs)
                yield Ended(self.number, kind, why, runs.sources.take(places), naming, places)

    def _naming(self, runs: _Runs) -> Naming:
        def step(run: int) -> Step:
            values = self.values[int(runs.choices[run])]
            return Step(self.deed.rule.name, values, int(runs.faults[run]))

        return step


def _parts(runs: _Runs) -> Iterator[_Runs]:
    """The runs, no more at a time than fit in a kernel."""
    for start in range(0, len(runs.sources), WIDTH):
        end = start + WIDTH
        yield _Runs(runs.sources[start:end], runs.choices[start:end], runs.faults[start:end])


def _struck(runs: _Runs, calls: Numbers) -> _Runs:
    """The same runs once for each call of the host that they made, with that one failing."""
    if calls.max(initial=0) >= FAULTS:
        raise OverflowError("too many host calls")
    again = np.repeat(np.arange(len(calls)), calls)
    before = np.repeat(np.cumsum(calls) - calls, calls)
    faults = (np.arange(1, len(again) + 1) - before).astype(np.uint8)
    return _Runs(runs.sources.take(again), runs.choices.take(again), faults)


def _guard(graph: Graph, deed: Deed, values: Sequence[int]) -> Node:
    """The guard with the values of all parameters."""
    known = {
        node: graph.const(value, node.type)
        for node, value in zip(deed.parameters, values, strict=True) if node.op == "var"
    }
    return rebuilt(graph, [deed.guard], known)[0]
