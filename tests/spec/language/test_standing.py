from __future__ import annotations

from spec.language import MUTANT, Of, Seen, posted, released


def test_a_standing_in_a_few_words_and_all_of_it() -> None:
    seen = Seen("QEMU 11.1.3", "2026-11-24", "`viommu-spec drive`")
    found = released("QEMU 11.1", "hw/a.c f", "latent: nobody asks", seen)
    assert str(found) == "released, reproduced, latent"
    assert found.rows() == {
        "standing": "released, reproduced, latent",
        "of": "QEMU 11.1",
        "read in": "hw/a.c f",
        "reproduced": "on QEMU 11.1.3, 2026-11-24, by `viommu-spec drive`",
        "today": "latent: nobody asks",
    }


def test_what_was_not_seen_was_read() -> None:
    assert str(posted("v9", "001", "fixed in Linux 6.15")) == "posted, read, fixed in Linux 6.15"


def test_nobody_wrote_a_mutant() -> None:
    assert MUTANT.rows() == {"standing": "mutant"}


def test_a_machine_says_how_it_is_held() -> None:
    of = Of("reference", "A design.", "QEMU 11.1", kernel="not: no kernel", qemu="`drive`")
    assert of.rows()["held against Linux"] == "not: no kernel"


def test_the_scenarios_are_those_of_the_commands() -> None:
    command = "`python -m checkers.real.qemu --without-kvm-check S-05 S-07`"
    seen = [Seen("QEMU 11.1.3", "2026-11-24", by) for by in (command, "a look", command)]
    found = released("QEMU 11.1", "hw/a.c f", "reachable", *seen)
    assert seen[0].scenarios == ("S-05", "S-07")
    assert not seen[1].scenarios
    assert found.scenarios == ("S-05", "S-07")
