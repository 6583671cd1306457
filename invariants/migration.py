"""A guest keeps the vIOMMU that it booted with, wherever it goes; else it does not go."""

from __future__ import annotations

from spec.language import NONE, Id, invariant, on_failure, sometimes
from spec.migration.migration_blocker import nothing_runs
from spec.migration.state import Capabilities, Device, Migration, Qemu


def alike(s: Migration, cap: Id[Capabilities], other: Id[Capabilities]) -> bool:
    """Whether two sets of capabilities are equal."""
    x = s.capabilities[cap]
    y = s.capabilities[other]
    return x.aw_bits == y.aw_bits and all(
        (f.id in x.features) == (f.id in y.features) for f in s.feature_bits
    )


@sometimes
def migrated(s: Migration) -> bool:
    """A guest that has a vIOMMU with a feature runs where it did not boot, with a device there."""
    return (
        s.guest != NONE
        and s.qemus[s.guest].incoming
        and any(f.id in s.capabilities[s.seen].features for f in s.feature_bits)
        and any(x.host != NONE and x.qemu == s.guest for x in s.devices)
    )


@sometimes
def behind_what_asks_for_little(s: Migration) -> bool:
    """A guest runs with less than a vIOMMU can have, and a device of which the host has no more."""
    return s.guest != NONE and any(
        x.qemu == s.guest
        and x.host != NONE
        and any(y.aw_bits > s.hosts[x.host].aw_bits for y in s.hosts)
        for x in s.devices
    )


@sometimes
def accelerated(s: Migration) -> bool:
    """A guest runs with an accelerated vIOMMU."""
    return s.accel and s.guest != NONE and s.qemus[s.guest].realized


@sometimes
def only_migratable_with_devices(s: Migration) -> bool:
    """A guest that must be able to leave has two devices."""
    return s.only_migratable and all(x.host != NONE or x.qemu != s.guest for x in s.devices) and (
        s.guest != NONE
    )


@sometimes
def ready_without_a_viommu(s: Migration) -> bool:
    """A guest runs without a vIOMMU."""
    return s.guest != NONE and not s.qemus[s.guest].realized


@sometimes
def all_ends(s: Migration) -> bool:
    """Nothing runs."""
    return nothing_runs(s)


@invariant(witness=behind_what_asks_for_little)
def capabilities_are_frozen(s: Migration, qemu: Id[Qemu]) -> bool:
    """Once the machine is ready the vIOMMU's capabilities are what they were then."""
    q = s.qemus[qemu]
    return not q.ready or alike(s, q.cap, q.frozen)


@invariant(witness=behind_what_asks_for_little)
def no_promise_beyond_a_host(s: Migration, dev: Id[Device]) -> bool:
    """The vIOMMU promises nothing that the IOMMU before one of its devices cannot do."""
    host = s.devices[dev].host
    cap = s.capabilities[s.qemus[s.devices[dev].qemu].cap]
    return host == NONE or (
        cap.aw_bits <= s.hosts[host].aw_bits
        and all(f.id in s.hosts[host].features or f.id not in cap.features for f in s.feature_bits)
    )


@invariant(witness=behind_what_asks_for_little)
def a_viommu_is_what_the_user_asked_for(s: Migration, qemu: Id[Qemu]) -> bool:
    """The vIOMMU has what its command line says, no less and no more."""
    q = s.qemus[qemu]
    return not q.realized or alike(s, q.cap, q.user)


@invariant(witness=migrated)
def the_guest_keeps_what_it_saw(s: Migration) -> bool:
    """The vIOMMU of the QEMU that the guest runs in is what the guest saw when it booted."""
    return s.guest == NONE or alike(s, s.seen, s.qemus[s.guest].cap)


@invariant(witness=migrated)
def tables_are_in_force(s: Migration) -> bool:
    """Where the guest runs its tables translate for its devices."""
    return s.in_force == (s.guest != NONE)


@invariant(witness=accelerated)
def blocked_exactly_if_it_must_be(s: Migration, qemu: Id[Qemu]) -> bool:
    """There is one blocker if the vIOMMU is accelerated or not as the user asked; else none."""
    q = s.qemus[qemu]
    must = q.realized and (s.accel or not alike(s, q.cap, q.user))
    return q.blockers == (1 if must else 0)


@invariant(witness=only_migratable_with_devices)
def only_migratable_is_kept(s: Migration, qemu: Id[Qemu]) -> bool:
    """Under -only-migratable nothing keeps the guest from leaving."""
    return not s.only_migratable or s.qemus[qemu].blockers == 0


@invariant(witness=ready_without_a_viommu)
def nothing_without_a_viommu(s: Migration, qemu: Id[Qemu]) -> bool:
    """Where no vIOMMU is there are no capabilities, and no devices that it knows of."""
    cap = s.capabilities[s.qemus[qemu].cap]
    return s.qemus[qemu].realized or (
        cap.aw_bits == 0
        and all(f.id not in cap.features for f in s.feature_bits)
        and all(x.host == NONE or x.qemu != qemu for x in s.devices)
    )


@invariant(witness=all_ends)
def a_guest_is_in_a_qemu(s: Migration) -> bool:
    """A guest runs in a QEMU whose machine is ready, and has seen capabilities only if it runs."""
    if s.guest != NONE:
        return s.qemus[s.guest].ready
    return s.capabilities[s.seen].aw_bits == 0 and all(
        f.id not in s.capabilities[s.seen].features for f in s.feature_bits
    )


def as_before(before: Migration, s: Migration, qemu: Id[Qemu]) -> bool:
    """Whether a QEMU is as it was."""
    q = s.qemus[qemu]
    was = before.qemus[qemu]
    return (
        q.ready == was.ready
        and q.realized == was.realized
        and q.blockers == was.blockers
        and s.capabilities[q.cap].aw_bits == before.capabilities[was.cap].aw_bits
        and all(
            (f.id in s.capabilities[q.cap].features)
            == (f.id in before.capabilities[was.cap].features)
            for f in s.feature_bits
        )
        and all(x.host == before.devices[x.id].host for x in s.devices if x.qemu == qemu)
    )


def ended(before: Migration, s: Migration, qemu: Id[Qemu]) -> bool:
    """Whether a QEMU that no guest was in is gone: it was being started, or was to load one."""
    q = s.qemus[qemu]
    return (
        (q.incoming or not before.qemus[qemu].ready)
        and not (q.ready or q.realized)
        and q.blockers == 0
        and all(x.host == NONE or x.qemu != qemu for x in s.devices)
    )


@on_failure(witness=accelerated)
def a_refusal_changes_nothing(before: Migration, s: Migration) -> bool:
    """What is refused leaves the guest and each QEMU as they were, or ends one without a guest."""
    return s.guest == before.guest and all(
        as_before(before, s, x.id) or ended(before, s, x.id) for x in s.qemus
    )
