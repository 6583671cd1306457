"""Deterministic property tests, unless HYPOTHESIS_PROFILE asks for another profile.

A shell has what it starts in the background ignore Ctrl-C; tests that send it would wait for ever.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("random", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

signal.signal(signal.SIGINT, signal.default_int_handler)
