"""Traces: made of a violation, written as JSON, read back, run again, shown as text."""

from checkers.trace.brief import brief
from checkers.trace.format import Trace
from checkers.trace.load import Opened, load, opened
from checkers.trace.record import DoesNotRunError, Names, record, record_run
from checkers.trace.replay import differs, diverges, retold
from checkers.trace.text import text

__all__ = [
    "DoesNotRunError",
    "Names",
    "Opened",
    "Trace",
    "brief",
    "differs",
    "diverges",
    "load",
    "opened",
    "record",
    "record_run",
    "retold",
    "text",
]
