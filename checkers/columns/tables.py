"""Takes an action by columns: all runs of a block that its guard allows, then those with faults."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from checkers.columns.cells import CellMap
from checkers.columns.evaluating import RUNNING
from checkers.columns.kernel import WIDTH, Column, Kernel, Registers
from checkers.columns.packing import Bytes, Numbers, Packing, true_at, turned_back
from checkers.columns.renaming import renamed
from checkers.columns.running import Runner
from checkers.columns.taken import Ended, Naming, Taken
from checkers.columns.texts import Plain, touched
from checkers.columns.writing import Writer
from checkers.explicit.instances import FAULTS
from checkers.explicit.symmetry import Symmetry
from checkers.frontend.ir import BOOL, Node
from checkers.steps.deeds import Deed, guard
from spec.language.layout import BoolT, IntT, ValueT
from spec.language.program import Linked
from spec.language.steps import Step


@dataclass(frozen=True)
class Made:
    """What came of some runs: those that ended well, the states after, what each reported.

    `calls` are the calls of the host that each made; `ends` how and where others ended.
    """

    done: Numbers
    after: Bytes
    results: Column
    calls: Numbers
    ends: Sequence[tuple[str, str, Numbers]]


class Body(Protocol):
    """A way to make runs, `most` at a time."""

    most: int

    def make(self, before: Bytes, values: Sequence[Column], faults: Column) -> Made:
        """Runs from these states, with these values of all parameters and these faults."""


class MergedBody:
    """Runs of a merged action without faults, of which some parameters are open."""

    most = WIDTH

    def __init__(
        self, packing: Packing, deed: Deed, symmetric: Sequence[Symmetry], registers: Registers
    ) -> None:
        self.packing, self.deed, self.registers = packing, deed, registers
        self._open = [at for at, value in enumerate(deed.given) if value is None]
        after = renamed(packing.merger, deed.next, symmetric)
        writer = Writer([packing], deed.open)
        self.kernel = writer.kernel(registers, [deed.enabled, deed.result], after)
        self._ends: Kernel | None = None

    def make(self, before: Bytes, values: Sequence[Column], faults: Column) -> Made:
        """Runs from these states."""
        count = before.shape[1]
        given = [
            values[at].view(np.bool_) if self.deed.parameters[at].type == BOOL else values[at]
            for at in self._open
        ]
        table: Bytes = np.empty((self.packing.bytes, count), dtype=np.uint8)
        enabled, result = self.kernel.run(before, given, table)
        done, results = true_at(enabled), result.copy()
        ends: list[tuple[str, str, Numbers]] = []
        if len(done) < count:
            ends = self._failures(before, given, true_at(~enabled))
            table, results = table.take(done, axis=1), results.take(done)
        return Made(done, table, results, np.zeros(count, dtype=np.int64), ends)

    def _failures(
        self, before: Bytes, given: Sequence[Column], others: Numbers
    ) -> list[tuple[str, str, Numbers]]:
        """How those runs ended that did not come to the action's end."""
        ends = [("check", end) for end in self.deed.crashes]
        ends += [("limit", end) for end in self.deed.cuts]
        if not ends:
            return []
        if self._ends is None:
            roots = [condition for _, (condition, _) in ends]
            self._ends = Writer([self.packing], self.deed.open).kernel(self.registers, roots)
        columns = before.take(others, axis=1)
        hits = self._ends.run(columns, [values.take(others) for values in given])
        return [
            (kind, why, others.take(true_at(hit)))
            for (kind, (_, why)), hit in zip(ends, hits, strict=True) if hit.any()
        ]


class TextBody:
    """Runs of an action's text, with faults or without.

    The larger a block, the less counts what it costs to go through the text.
    """

    most = 4 * WIDTH

    def __init__(
        self, packing: Packing, rule: Linked, symmetric: Sequence[Symmetry], registers: Registers
    ) -> None:
        merger = packing.merger
        self.packing, self.rule = packing, rule
        self.function = merger.parser.function(rule.function)
        self.touched = touched(self.function)
        self.map, self.plain = CellMap(packing, self.touched.all), Plain()
        self._renaming: Kernel | None = None
        mine = [x for x in symmetric if x.changed_by(self.function)]
        if mine:
            after = renamed(merger, merger.state(), mine)
            moved = {node: new for node, new in after.items() if new is not node}
            self._renaming = Writer([packing]).kernel(registers, [], moved)

    def make(self, before: Bytes, values: Sequence[Column], faults: Column) -> Made:
        """Runs from these states."""
        cells = self.map.unpacked(before)
        runner = Runner(self.map, self.plain, cells, faults)
        arguments = [
            column.view(np.bool_) if isinstance(item.type, BoolT) else column
            for column, item in zip(values, self.rule.parameters, strict=True)
        ]
        answer = runner.run(self.function, arguments)
        done = true_at(runner.status == RUNNING)
        after = self.map.packed(cells, before, self.touched.written)
        results = np.broadcast_to(np.asarray(answer), faults.shape)
        if len(done) < len(faults):
            after, results = after.take(done, axis=1), results.take(done)
        if self._renaming is not None and len(done):
            table: Bytes = np.empty_like(after)
            for at in range(0, len(done), WIDTH):
                part = slice(at, at + WIDTH)
                self._renaming.run(after[:, part], (), table[:, part])
            after = table
        ends = [
            (kind, why, true_at(runner.status == number))
            for number, (kind, why) in enumerate(runner.ends) if kind in ("check", "limit")
        ]
        return Made(done, after, results, runner.calls.astype(np.int64), ends)


@dataclass(frozen=True)
class _Runs:
    """Runs to make: from which states, with which choice of parameters, which fault."""

    sources: Numbers
    choices: Column
    faults: Column


class TableAction:
    """An action, with those of its parameters' values (`choices`) for which it can be enabled.

    If all are given, and it reports nothing, `deed` is what it does; `kind` is its class.
    """

    def __init__(
        self, number: int, rule: Linked, body: Body, packing: Packing,
        choices: Sequence[tuple[int, ...]], deed: Deed | None = None,
    ) -> None:
        self.number, self.rule, self.body, self.deed = number, rule, body, deed
        self.kind = 0
        self.choices: list[tuple[int, ...]] = []
        self.roots: list[Node] = []
        for values in choices:
            root = guard(packing.merger, rule, values)
            if root is not packing.merger.graph.false:
                self.choices.append(values)
                self.roots.append(root)
        self._values = [
            np.array(column, dtype=_dtype(item.type))
            for column, item in zip(zip(*self.choices, strict=True), rule.parameters, strict=True)
        ]

    def take(
        self, columns: Bytes, masks: Sequence[Column], faults: bool
    ) -> Iterator[Taken | Ended]:
        """Take it wherever its guards allow, and if asked with every fault that strikes."""
        places = [true_at(mask) for mask in masks]
        sources = np.concatenate(places)
        choices = np.repeat(np.arange(len(places), dtype=np.uint16), list(map(len, places)))
        runs = _Runs(sources, choices, np.zeros(len(sources), dtype=np.uint8))
        for part in _parts(runs, self.body.most):
            calls = yield from self._made(columns, part)
            if faults and self.rule.fault:
                for struck in _parts(_struck(part, calls), self.body.most):
                    yield from self._made(columns, struck)

    def _made(self, columns: Bytes, runs: _Runs) -> Generator[Taken | Ended, None, Numbers]:
        """Make runs, no more than the body takes; the answer is how many calls each made."""
        struck = bool(runs.faults.any())
        before = columns.take(runs.sources, axis=1)
        values = [values.take(runs.choices) for values in self._values]
        made = self.body.make(before, values, runs.faults)
        naming = self._naming(runs)
        for kind, why, places in made.ends:
            yield Ended(self.number, kind, why, runs.sources.take(places), naming, places)
        if len(made.done):
            sources, rows = runs.sources.take(made.done), turned_back(made.after)
            errors = true_at(made.results)
            if len(errors):
                before = before.take(made.done, axis=1)
                shown = errors, before, made.after
                yield Taken(self.number, sources, rows, naming, made.done, struck, *shown)
            else:
                done = made.done
                yield Taken(self.number, sources, rows, naming, done, struck, kind=self.kind)
        return made.calls

    def _naming(self, runs: _Runs) -> Naming:
        def step(run: int) -> Step:
            return Step(
                self.rule.name, self.choices[int(runs.choices[run])], int(runs.faults[run])
            )

        return step


def _parts(runs: _Runs, most: int) -> Iterator[_Runs]:
    """The runs, no more at a time than a body takes."""
    for start in range(0, len(runs.sources), most):
        end = start + most
        yield _Runs(runs.sources[start:end], runs.choices[start:end], runs.faults[start:end])


def _struck(runs: _Runs, calls: Numbers) -> _Runs:
    """The same runs once for each call of the host that they made, with that one failing."""
    if calls.max(initial=0) >= FAULTS:
        raise OverflowError("too many host calls")
    again = np.repeat(np.arange(len(calls)), calls)
    before = np.repeat(np.cumsum(calls) - calls, calls)
    faults = (np.arange(1, len(again) + 1) - before).astype(np.uint8)
    return _Runs(runs.sources.take(again), runs.choices.take(again), faults)


def _dtype(kind: ValueT) -> np.dtype[Any]:
    """What holds the values of a parameter."""
    wide = isinstance(kind, IntT) and (kind.lo < 0 or kind.hi > 255)
    return np.dtype(np.int16 if wide else np.uint8)


def choices(given: Sequence[int | None], domains: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """All values of the parameters, of which some are given."""
    return list(itertools.product(*(
        domain if value is None else (value,) for value, domain in zip(given, domains, strict=True)
    )))

