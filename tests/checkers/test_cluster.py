"""Two workers find what one machine finds, in its order; a lost one is never overlooked."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from checkers import machines
from checkers.cli import main
from checkers.cluster.connection import Cluster, connected, digest
from checkers.cluster.divided import Divided, check, explore
from checkers.explore.explored import Explored
from checkers.explore.native import search
from checkers.result import Limits, Renaming, Verdict
from checkers.userfiles import InputError
from spec.language import Program

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of a cluster of two processes, which tries a task twice."""
    import dask

    tries = {"distributed.scheduler.allowed-failures": 1}
    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set(tries),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs="CRITICAL",
        ) as local,
    ):
        patch.setattr("checkers.cluster.connection.ANSWER", 120.0)
        yield local.scheduler_address


@pytest.fixture
def cluster(address: str) -> Iterator[Cluster]:
    with connected(address) as found:
        found.client.wait_for_workers(2)
        yield found


def program(name: str, bounds: str, variant: str | None = None) -> Program:
    other = machines.variant(variant) if variant else None
    return machines.program(machines.machine(name), bounds, other)


def figures(found: Explored) -> dict[str, Any]:
    """All that two explorations have to agree on."""
    return {
        "levels": found.levels, "fired": found.fired, "crashed": found.crashed,
        "cuts": found.cuts, "witnessed": found.witnessed, "stopped": found.stopped,
        "untold": found.untold, "symmetric": found.symmetric,
        "broken": {rule: len(item.steps) for rule, item in found.violations.items()},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bounds", "variant", "renaming", "broken"),
    [
        ("object-lifetime", "S", None, Renaming.NONE, 0),
        ("hwpt-sharing", "small", None, Renaming.SORTS, 0),
        ("vfio-attach", "small", "vfio-parent-kept", Renaming.IDS, 3),
    ],
)
def test_two_workers_count_what_one_machine_counts(
    name: str, bounds: str, variant: str | None, renaming: Renaming, broken: int, cluster: Cluster
) -> None:
    of, limits = program(name, bounds, variant), Limits(renaming=renaming)
    found = explore(of, frozenset(), limits, cluster)
    assert figures(found) == figures(search.explore(of, frozenset(), limits))
    assert found.exhausted
    assert len(found.violations) == broken


def test_a_lost_worker_ends_the_exploration_which_goes_on_from_its_checkpoint(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    of, next_level = program("object-lifetime", "S"), Divided.next_level

    def with_a_loss(states: Divided) -> int:
        size = next_level(states)
        if len(states.sizes) == 4:
            os.kill(min(cluster.client.run(os.getpid).values()), signal.SIGKILL)
        return size

    monkeypatch.setattr(Divided, "next_level", with_a_loss)
    rows = check(of, frozenset(), Limits(checkpoint=tmp_path), cluster)
    assert {row.verdict for row in rows} == {Verdict.BOUNDED}
    assert all("was lost" in row.detail for row in rows)
    monkeypatch.undo()
    cluster.client.wait_for_workers(2)
    found = explore(of, frozenset(), Limits(checkpoint=tmp_path, resume=True), cluster)
    assert figures(found) == figures(search.explore(of, frozenset(), Limits()))


def test_without_a_worker_nothing_holds(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "workers", lambda self: {})
    rows = check(program("object-lifetime", "small"), frozenset(), Limits(), cluster)
    assert [row.verdict for row in rows] == [Verdict.BOUNDED]
    assert "no worker" in rows[0].detail


def test_rows_of_many_checks_are_those_of_one_machine(address: str) -> None:
    words = ["check", "object-lifetime", "pci-hotplug", "--bounds", "small", "--json", "-"]
    here, there = (_rows(words), _rows([*words, "--cluster", address]))
    assert [_without_time(row) for row in there] == [_without_time(row) for row in here]
    assert len({row["machine"] for row in there}) == 2


def test_who_loses_its_workers_again_and_again_has_a_row(address: str, tmp_path: Path) -> None:
    """Where it is read on a worker, this machine ends the worker."""
    text = Path("tests/toys/mutex.py").read_text(encoding="utf-8")
    loss = f"import os\nif os.getpid() != {os.getpid()}:\n    os.kill(os.getppid(), 9)\n"
    file = tmp_path / "ends_its_worker.py"
    first, future, rest = text.partition("from __future__ import annotations\n")
    file.write_text(first + future + loss + rest, encoding="utf-8")
    words = ["check", str(file), "object-lifetime", "--json", "-", "--cluster", address]
    rows = _rows(words, status=3)
    lost, *others = rows
    assert (lost["machine"], lost["verdict"]) == ("mutex", "bounded")
    assert "were lost" in lost["detail"]
    assert {row["machine"] for row in others} == {"object-lifetime"}
    assert {row["verdict"] for row in others} == {"holds"}


def test_without_distributed_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install"), connected("tcp://127.0.0.1:1"):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "tcp://:"])
def test_an_address_where_nobody_answers_is_wrong_input(address: str) -> None:
    done = CliRunner().invoke(main, ["check", "object-lifetime", "--cluster", address])
    assert done.exit_code == 2
    assert f"--cluster {address}: no scheduler answers" in done.output


def test_another_text_of_the_program_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkers.cluster.connection.PACKAGES", ("spec",))
    digest.cache_clear()
    try:
        with pytest.raises(InputError, match="another text"), connected(address):
            pass
    finally:
        digest.cache_clear()


def _rows(words: list[str], status: int = 0) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status, done.output
    rows: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return rows


def _without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "seconds"}
