"""Exceptions that are cheap to raise: one class for each message of a check and each bound."""

from __future__ import annotations

import functools

from spec.language.control import Crash, Cut


@functools.cache
def crash_class(why: str) -> type[Crash]:
    """The crash with this message, as a class to raise without arguments."""
    return type("FailedCheck", (Crash,), {"why": why, "__init__": Exception.__init__})


@functools.cache
def cut_class(bound: str) -> type[Cut]:
    """The cut by this bound, as a class to raise without arguments."""
    return type("MetBound", (Cut,), {"bound": bound, "__init__": Exception.__init__})
