"""A trace as a page: all that the mail has, and nothing that a browser would take for something."""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec
import pytest

from checkers.trace.page import page
from checkers.trace.record import record
from spec.language import build
from spec.language.rules import CRASH
from tests.checkers.test_trace import CRASHING, DANGLING, HELD, LEAK, LEAKING
from tests.toys.refcount import REFCOUNT

pytestmark = pytest.mark.usefixtures("toys")

ALONE = {"meta"}


class Reader(HTMLParser):
    """The text of each element, and whether all that is opened is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self._refused = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._refused = ("class", "refused") in attrs or (self._refused and tag == "code")
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))
            if self._refused:
                self.refused.append(data.strip())

    def of(self, tag: str) -> list[str]:
        return [text for found, text in self.texts if found == tag]


def test_a_page_has_the_steps_the_changes_and_the_end() -> None:
    read = Reader(page(record(HELD, DANGLING)))
    assert read.open == []
    assert read.of("h1") == ["no-dangling"]
    assert read.of("h2")[1:] == [
        "1. create holder=1", "2. get holder=2 item=1", "3. put holder=2",
        "Broken: no-dangling",
    ]  # fmt: skip
    cells = read.of("td")
    at = cells.index("objects[1].alive")
    assert cells[at : at + 3] == ["objects[1].alive", "no", "yes"]
    assert "heap_allocate object=1 (0)" in read.of("code")
    assert "holder is holders[1]" in read.of("p")
    assert "Every field is at its first value." in read.of("p")
    assert read.refused == []


def test_what_the_host_refuses_is_seen() -> None:
    read = Reader(page(record(LEAKING, LEAK)))
    assert any("refused by the fault" in text for text in read.refused)


def test_a_failed_check_is_told() -> None:
    read = Reader(page(record(HELD, CRASHING)))
    assert read.of("h1") == [CRASH]
    assert "Here a check fails." in read.refused
    assert any(text.startswith("Failed check: ") for text in read.of("p"))


def test_names_are_no_markup() -> None:
    trace = record(HELD, DANGLING)
    odd = msgspec.structs.replace(trace, machine="<b>&co</b>")
    read = Reader(page(odd))
    assert "<b>&co</b>" in read.of("td")


def test_a_run_ends_without_a_rule() -> None:
    trace = record(build(REFCOUNT, "small"), DANGLING)
    run = msgspec.structs.replace(trace, kind="run", violation=None, steps=trace.steps[:1])
    read = Reader(page(run))
    assert read.of("h1") == ["A run of refcount"]
    assert "A run, 1 step." in read.of("p")
    assert not [text for text in read.of("h2") if text.startswith("Broken")]
