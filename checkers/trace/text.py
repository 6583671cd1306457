"""A trace as text for a mail: 72 columns, plain ASCII, one numbered paragraph a step."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

from checkers.cells import Value
from checkers.result import ANOTHER_CHOICE
from checkers.trace.format import Answered, Broken, StepTaken, Trace
from checkers.trace.record import call_text

COLUMNS = 72
MOST_ROWS = 16
"""More changed rows than this in one step are counted, not shown."""

ENDS = {
    "run": "a run",
    "state": "violated",
    "crash": "violated",
    "on-failure": "violated",
    "teardown": "violated",
    "induction": "not inductive",
}


def text(trace: Trace, standing: Mapping[str, str] | None = None) -> str:
    """The whole trace: what it is of, the initial state, each step, what is broken at the end."""
    lines = _head(trace, standing or {})
    lines += ["", "initial state"]
    lines += _rows(trace.initial) or ["    every field is at its first value"]
    for number, step in enumerate(trace.steps, 1):
        lines += ["", *step_lines(number, step)]
    if trace.violation is not None:
        lines += ["", *_end(trace.violation, trace.kind)]
    if trace.answered is not None:
        lines += ["", *answered_lines(trace.answered)]
    return "\n".join(plain(line) for line in lines) + "\n"


def plain(line: str) -> str:
    """A line with nothing in it but printable ASCII."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in line)


def answered_lines(answered: Answered) -> list[str]:
    """What a real system said, and what it was to say."""
    lines = wrapped("answered otherwise: ", answered.what, "    ")
    lines += wrapped(f"    {answered.system}: ", answered.answer, "      ")
    return lines + wrapped("    the specification: ", answered.specification, "      ")


def choice(trace: Trace) -> str:
    """That the trace needs the ids which its steps name, if it does."""
    return ANOTHER_CHOICE if any(step.ids for step in trace.steps) else ""


def step_lines(number: int, step: StepTaken) -> list[str]:
    """One step: the call and the errno it reports, the host calls, the changed fields."""
    reported = "" if step.result == "0" else f" = {step.result}"
    call = call_text(step.action, step.parameters, step.fault, step.ids)
    lines = wrapped(f"{number}. ", call + reported, "     ")
    for made in step.calls:
        failed = " [injected]" if made.injected else ""
        lines += wrapped("     host: ", " ".join(made.event.split()) + failed, "           ")
    lines += _rows(step.changes)
    if step.ends == "crash":
        lines += ["     and here a check fails"]
    elif not step.changes:
        lines += ["     (nothing changes)"]
    return lines


def _head(trace: Trace, standing: Mapping[str, str]) -> list[str]:
    values = ", ".join(f"{key}={value}" for key, value in trace.bounds.values.items())
    steps = f"{len(trace.steps)} step{'' if len(trace.steps) == 1 else 's'}"
    rule = f"{trace.violation.rule}: " if trace.violation else ""
    lines = wrapped("", f"{rule}{ENDS[trace.kind]}, {steps}", "    ")
    lines += [needs] if (needs := choice(trace)) else []
    lines += wrapped("machine  ", trace.machine, "         ")
    if trace.variant is not None:
        lines += wrapped("variant  ", trace.variant, "         ")
    for name, said in standing.items():
        words = said if name == "standing" else f"{name} {said}"
        lines += wrapped("         ", words, "           ")
    return lines + wrapped("bounds   ", f"{trace.bounds.name} ({values})", "         ")


def _rows(cells: Mapping[str, Value | tuple[Value, Value]]) -> list[str]:
    """Cells grouped by their row: ``objects[1]: kind NONE -> HWPT, refs 0 -> 1``."""
    rows: dict[str, list[str]] = {}
    for name, value in cells.items():
        row, dot, field = name.rpartition(".")
        change = (
            f"{shown_value(value[0])} -> {shown_value(value[1])}"
            if isinstance(value, tuple)
            else f"= {shown_value(value)}"
        )
        rows.setdefault(row if dot else "", []).append(f"{field} {change}")
    lines = []
    for row, changed in list(rows.items())[:MOST_ROWS]:
        lines += wrapped(f"     {row}: " if row else "     ", ", ".join(changed), "       ")
    if len(rows) > MOST_ROWS:
        lines.append(f"     and fields of {len(rows) - MOST_ROWS} more rows")
    return lines


def shown_value(value: Value) -> str:
    """A value as text: yes and no, a set in braces."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "{" + ", ".join(map(str, value)) + "}"
    return str(value)


def _end(broken: Broken, kind: str) -> list[str]:
    title = "not inductive: " if kind == "induction" else "violated: "
    lines = wrapped(title, broken.rule, "    ")
    if broken.about:
        lines += wrapped("    ", broken.about, "    ")
    if broken.why:
        lines += wrapped("    failed check: ", broken.why, "      ")
    for name, culprit in broken.binding.items():
        lines += wrapped(f"    {name} is ", culprit.label, "      ")
    if broken.around:
        lines += ["    around:", *_each(broken.around)]
    return lines


def _each(items: Sequence[str]) -> list[str]:
    return [line for item in items for line in wrapped("      ", item, "        ")]


def wrapped(start: str, body: str, hanging: str) -> list[str]:
    """`start` and `body` in lines of at most 72 columns, the further ones after `hanging`."""
    body = re.sub(r" -> ", "\x00->\x00", plain(body))
    lines = textwrap.wrap(
        plain(start) + body,
        COLUMNS,
        subsequent_indent=hanging,
        drop_whitespace=True,
        break_on_hyphens=False,
    )
    return [line.replace("\x00", " ") for line in lines] or [start.rstrip()]
