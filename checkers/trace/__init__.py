"""Traces: made of a violation, written as JSON, read back, run again, shown as text."""

from checkers.trace.format import Trace
from checkers.trace.load import Opened, load, opened
from checkers.trace.record import DoesNotRunError, record, record_run
from checkers.trace.replay import diverges
from checkers.trace.text import text

__all__ = [
    "DoesNotRunError",
    "Opened",
    "Trace",
    "diverges",
    "load",
    "opened",
    "record",
    "record_run",
    "text",
]
