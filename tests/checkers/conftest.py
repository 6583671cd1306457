"""The toy machines under the names of the specification's, and stub engines."""

from __future__ import annotations

import pytest

from checkers import machines
from tests.checkers import stub
from tests.toys import mutex, queue, refcount

MACHINES = {item.name: item for item in (mutex.MUTEX, refcount.REFCOUNT, queue.QUEUE)}
VARIANTS = {item.name: item for item in (refcount.FREES_WHILE_HELD, refcount.LEAKS_ON_REFUSAL)}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the toy machines are known."""
    monkeypatch.setattr(machines, "registry", lambda: MACHINES)
    monkeypatch.setattr(machines, "variants", lambda: VARIANTS)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, toys: None) -> dict[str, object]:
    """Engines of a test's own; all of them the breadth-first stub at first."""
    table: dict[str, object] = dict.fromkeys(("explicit", "stateful", "symbolic"), stub.explore)
    monkeypatch.setattr("checkers.engines.engine", lambda name: table[name])
    return table
