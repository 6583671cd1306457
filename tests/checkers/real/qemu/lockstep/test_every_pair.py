"""A drive past every pair, on a toy that does what the machine says, or otherwise in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from checkers.cli import main
from checkers.real.qemu.lockstep import every_pair
from checkers.real.qemu.lockstep.every_pair import Drive, Report, driven
from checkers.real.qemu.lockstep.matching import Other
from checkers.real.qemu.lockstep.printed import document, junit, lines, total
from checkers.real.qemu.lockstep.running import CALLS, Beside, Differs, Went
from checkers.real.qemu.root import Binary
from checkers.trace.load import resolve
from checkers.trace.replay import diverges
from spec.language.program import Outcome
from spec.language.steps import Step

NAME = "no-viommu"


class Toy:
    """A guest of which nothing is asked but that it ends."""

    def close(self) -> None:
        """Nothing to do."""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No QEMU is needed."""
    settings = tuple(replace(item, start=lambda *_: Toy()) for item in every_pair.SETTINGS)
    monkeypatch.setattr(every_pair, "SETTINGS", settings)
    known = Binary(every_pair.Path("/qemu"), (), {}, "11.1.9", None)
    monkeypatch.setattr(every_pair, "binary", lambda name, given: known)


def drove(monkeypatch: pytest.MonkeyPatch, action: str, second: int = 0) -> Report:
    """A drive in which QEMU does an action otherwise, if it is the second time in a run."""

    def take(self: Beside, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> Differs | None:
        self.went.append(Went(False, (), {}, {}))
        self.state = outcomes[-1].state
        self.times = getattr(self, "times", 0) + (steps[0].action == action)
        if steps[0].action == action and self.times > second:
            return Differs(CALLS, Other("a call", "another"), "QEMU says so")
        return None

    monkeypatch.setattr(Beside, "take", take)
    return driven(NAME, Drive(None, False))


def test_all_is_held_where_nothing_differs(toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    report = drove(monkeypatch, "")
    assert report.held == report.ways
    assert not report.divergences
    assert not report.not_driven
    assert "0 divergences" in total([report])
    assert "26 of 26 pairs" in lines(report, verbose=False)[0]


def test_a_divergence_is_a_shortened_trace(toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    report = drove(monkeypatch, "system_reset")
    first = report.divergences[0]
    assert [step.action for step in first.trace.steps] == ["system_reset"]
    assert first.trace.answered is not None
    assert first.trace.answered.answer == "another\nQEMU says so"
    assert diverges(resolve(first.trace)) == ""
    told = "\n".join(lines(report, verbose=False))
    assert "answered otherwise: the host calls" in told
    assert "not driven: system_reset: done: QEMU differs there" in told
    suite = ElementTree.fromstring(junit([report]))
    assert len(suite.findall(".//failure")) == len(report.divergences) > 0
    assert document([report])[0]["held"] < document([report])[0]["pairs"]


def test_what_a_divergence_needs_is_kept(toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    report = drove(monkeypatch, "system_reset", second=1)
    first = report.divergences[0]
    assert [step.action for step in first.trace.steps].count("system_reset") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pci-hotplug", "--qemu"), "pci-hotplug has no lockstep; vfio-attach has one"),
        (("vfio-attach", "--qemu", "--bounds", "no"), "--bounds no: lockstep knows vtd-memory, "),
        (("vfio-attach", "--qemu", "/nowhere"), "/nowhere: no program"),
        (("vfio-attach", "--qemu", "--seed", "1"), "--seed is nothing to it"),
    ],
)
def test_what_cannot_be_driven_is_one_line(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, ("drive", *words))
    assert result.exit_code == 2
    assert said in result.output
