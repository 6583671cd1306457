"""What an SMMUv3 may do with requests."""

from __future__ import annotations

from checkers.real.qemu.rules.smmuv3_intent import ABORT, BYPASS, SmmuIntent


def test_gbpa_is_for_all_while_the_smmu_is_off() -> None:
    intent = SmmuIntent(2)
    intent.entry(0, "table 1")
    assert intent.may(0) == intent.may(1) == {BYPASS}
    intent.bypass = ABORT
    assert intent.may(0) == {ABORT}
    assert intent.due(0) == ABORT


def test_an_entry_is_in_force_when_it_is_invalidated() -> None:
    intent = SmmuIntent(2)
    intent.enabled = True
    assert intent.may(0) == {ABORT}
    intent.entry(0, "table 1")
    intent.cover(1)
    assert intent.may(0) == {ABORT, "table 1"}
    intent.cover(0)
    assert intent.may(0) == {"table 1"}
    intent.entry(0, BYPASS)
    intent.cover(None)
    assert intent.may(0) == {BYPASS}


def test_after_a_reset_there_is_bypass() -> None:
    intent = SmmuIntent(1)
    intent.enabled, intent.bypass = True, ABORT
    intent.reset()
    assert intent.may(0) == {BYPASS}
    assert not intent.queue
