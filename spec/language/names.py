"""The rules of every machine, by name: no rule that a machine declares is called so."""

from __future__ import annotations

from typing import Final

CRASH: Final = "no-failed-check"
"""The rule, of every machine, that no `check` fails."""

TEARDOWN: Final = "teardown-reachable"
"""The rule, of a machine with a `Teardown`, that every reachable state can be taken down."""

WITNESSES: Final = "every-witness-reached"
"""The rule, of every machine, that each *sometimes* is true in some reachable state."""

ACTIONS: Final = "every-action-fires"
"""The rule, of every machine, that each action is enabled in some reachable state."""

RESERVED: Final = frozenset({CRASH, TEARDOWN, WITNESSES, ACTIONS})
