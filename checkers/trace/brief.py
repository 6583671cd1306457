"""A trace in a dozen lines: the steps, the host calls, what is broken and in which objects."""

from __future__ import annotations

from checkers.trace.format import Broken, Call, Culprit, StepTaken, Trace
from checkers.trace.record import call_text
from checkers.trace.text import COLUMNS, ENDS, choice, plain, shown_value, wrapped

INDENT = "     "
BETWEEN = " ; "


def brief(trace: Trace) -> str:
    """The trace without states: a line a step, its host calls (`!`: refused), the end."""
    steps = f"{len(trace.steps)} step{'' if len(trace.steps) == 1 else 's'}"
    rule = f"{trace.violation.rule}: " if trace.violation else ""
    lines = wrapped("", f"{rule}{ENDS[trace.kind]}, {steps}", "    ")
    if trace.kind == "induction":
        lines.append("from a state that need not be reachable")
    lines += [needs] if (needs := choice(trace)) else []
    for number, step in enumerate(trace.steps, 1):
        lines += _step(number, step)
    if trace.violation is not None:
        lines += _end(trace.violation)
    return "\n".join(plain(line) for line in lines) + "\n"


def _step(number: int, step: StepTaken) -> list[str]:
    words = step.brief or call_text(step.action, step.parameters, step.fault, step.ids)
    if step.brief and step.ids:
        words += f" ids={'+'.join(map(str, step.ids))}"
    reported = "" if step.result == "0" else f" = {step.result}"
    crashed = " -- a check fails" if step.ends == "crash" else ""
    lines = wrapped(f"{number}. ", words + reported + crashed, INDENT)
    row = ""
    for call in map(_call, step.calls):
        longer = f"{row}{BETWEEN}{call}" if row else call
        if row and len(INDENT + longer) > COLUMNS:
            lines += wrapped(INDENT, row, INDENT + "  ")
            longer = call
        row = longer
    return lines + (wrapped(INDENT, row, INDENT + "  ") if row else [])


def _call(call: Call) -> str:
    return f"{'! ' if call.injected else ''}{' '.join(call.event.split())}"


def _end(broken: Broken) -> list[str]:
    lines = wrapped("broken: ", broken.about or broken.rule, "    ")
    if broken.why:
        lines += wrapped("    failed check: ", broken.why, "      ")
    for name, culprit in broken.binding.items():
        lines += wrapped(f"    {name} is ", _culprit(culprit), "      ")
    return lines


def _culprit(culprit: Culprit) -> str:
    """Its name and what it holds: ``objects[5] 5 (kind HWPT_NESTED, refs 1)``."""
    fields = ", ".join(f"{key} {shown_value(value)}" for key, value in culprit.fields.items())
    return f"{culprit.label} ({fields})" if fields else culprit.label
