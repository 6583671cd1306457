"""A trace as one page for a browser, which needs nothing besides itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from checkers.cells import Value
from checkers.trace.format import Broken, Call, StepTaken, Trace
from checkers.trace.record import call_text
from checkers.trace.text import ENDS, choice, shown_value

STYLE: Final = """
body { font: 16px/1.45 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
code, td { font-family: monospace; font-size: 14px; }
table { border-collapse: collapse; }
td, th { border: 1px solid #ccc; padding: 0.1em 0.6em; text-align: left; }
.refused, .broken { color: #a00; }
.broken { border-left: 4px solid #a00; padding-left: 1em; }
"""


def page(trace: Trace, standing: Mapping[str, str] | None = None) -> str:
    """What the trace is of, the initial state, each step with all that it changes, the end."""
    root = Element("html", lang="en")
    head = SubElement(root, "head")
    SubElement(head, "meta", charset="utf-8")
    title = trace.violation.rule if trace.violation else f"A run of {trace.machine}"
    _add(head, "title", title)
    _add(head, "style", STYLE)
    body = SubElement(root, "body")
    _add(body, "h1", title)
    _head(body, trace, standing or {})
    _add(body, "h2", "Initial state")
    if trace.initial:
        _table(body, ("field", "value"), _initial(trace.initial))
    else:
        _add(body, "p", "Every field is at its first value.")
    for number, step in enumerate(trace.steps, 1):
        _step(body, number, step)
    if trace.violation is not None:
        _end(body, trace.violation)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{text}\n"


def _add(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    found = SubElement(parent, tag, attributes)
    found.text = text
    return found


def _head(body: Element, trace: Trace, standing: Mapping[str, str]) -> None:
    count = len(trace.steps)
    _add(body, "p", f"{ENDS[trace.kind].capitalize()}, {count} step{'' if count == 1 else 's'}.")
    if needs := choice(trace):
        _add(body, "p", f"It {needs}.")
    values = ", ".join(f"{key}={value}" for key, value in trace.bounds.values.items())
    told = [("machine", trace.machine), ("variant", trace.variant or "none: the reference")]
    told += [*standing.items(), ("bounds", f"{trace.bounds.name} ({values})")]
    _table(body, ("trace", "of"), [row for row in told if row[1]])


def _step(body: Element, number: int, step: StepTaken) -> None:
    call = call_text(step.action, step.parameters, step.fault, step.ids)
    _add(body, "h2", f"{number}. {step.brief or call}")
    reported = "" if step.result == "0" else f" = {step.result}"
    _add(_add(body, "p", ""), "code", call + reported)
    if step.calls:
        _calls(body, step.calls)
    if step.changes:
        rows = [(name, *map(shown_value, change)) for name, change in step.changes.items()]
        _table(body, ("field", "before", "after"), rows)
    if step.ends == "crash":
        _add(body, "p", "Here a check fails.", **{"class": "refused"})
    elif not step.changes:
        _add(body, "p", "Nothing changes.")


def _calls(body: Element, calls: Sequence[Call]) -> None:
    _add(body, "p", "Calls of the host:")
    found = SubElement(body, "ul")
    for call in calls:
        item = SubElement(found, "li", {"class": "refused"} if call.injected else {})
        failed = " (refused by the fault)" if call.injected else ""
        _add(item, "code", " ".join(call.event.split()) + failed)


def _end(body: Element, broken: Broken) -> None:
    end = SubElement(body, "div", {"class": "broken"})
    _add(end, "h2", f"Broken: {broken.rule}")
    if broken.about:
        _add(end, "p", broken.about)
    if broken.why:
        _add(end, "p", f"Failed check: {broken.why}")
    for name, culprit in broken.binding.items():
        _add(end, "p", f"{name} is {culprit.label}")
        rows = [(key, shown_value(value)) for key, value in culprit.fields.items()]
        if rows:
            _table(end, ("field", "value"), rows)
    if broken.around:
        _add(end, "p", "Around it:")
        found = SubElement(end, "ul")
        for reference in broken.around:
            _add(SubElement(found, "li"), "code", reference)


def _initial(cells: Mapping[str, Value]) -> list[tuple[str, str]]:
    return [(name, shown_value(value)) for name, value in cells.items()]


def _table(parent: Element, head: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    found = SubElement(parent, "table")
    line = SubElement(found, "tr")
    for name in head:
        _add(line, "th", name)
    for row in rows:
        line = SubElement(found, "tr")
        for cell in row:
            _add(line, "td", cell)
