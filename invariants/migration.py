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
def synced(s: Migration) -> bool:
    """A guest runs with less than the user asked for, as the host of one of two devices has."""
    return (
        s.guest != NONE
        and not alike(s, s.seen, s.user)
        and s.capabilities[s.seen].aw_bits != 0
        and all(x.host != NONE or x.qemu != s.guest for x in s.devices)
    )


@sometimes
def blocked_for_devices_that_are_gone(s: Migration) -> bool:
    """A guest that may not leave has no device left that it is for."""
    return (
        s.guest != NONE
        and s.qemus[s.guest].blockers == 1
        and not s.accel
        and all(x.host == NONE for x in s.devices)
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
    """A guest runs whose vIOMMU could not be made."""
    return s.guest != NONE and not s.qemus[s.guest].realized


@sometimes
def all_ends(s: Migration) -> bool:
    """Nothing runs."""
    return nothing_runs(s)


@invariant(witness=synced)
def capabilities_are_frozen(s: Migration, qemu: Id[Qemu]) -> bool:
    """Once the machine is ready the vIOMMU's capabilities are what they were then."""
    q = s.qemus[qemu]
    return not q.ready or alike(s, q.cap, q.frozen)


@invariant(witness=synced)
def no_promise_beyond_a_host(s: Migration, dev: Id[Device]) -> bool:
    """The vIOMMU promises nothing that the IOMMU before one of its devices cannot do."""
    host = s.devices[dev].host
    cap = s.capabilities[s.qemus[s.devices[dev].qemu].cap]
    return host == NONE or (
        cap.aw_bits <= s.hosts[host].aw_bits
        and all(f.id in s.hosts[host].features or f.id not in cap.features for f in s.feature_bits)
    )


@invariant(witness=synced)
def no_promise_beyond_the_users(s: Migration, qemu: Id[Qemu]) -> bool:
    """The vIOMMU has nothing that the user did not ask for."""
    cap = s.capabilities[s.qemus[qemu].cap]
    user = s.capabilities[s.user]
    return cap.aw_bits <= user.aw_bits and all(
        f.id in user.features or f.id not in cap.features for f in s.feature_bits
    )


@invariant(witness=migrated)
def the_guest_keeps_what_it_saw(s: Migration) -> bool:
    """The vIOMMU of the QEMU that the guest runs in is what the guest saw when it booted."""
    return s.guest == NONE or alike(s, s.seen, s.qemus[s.guest].cap)


@invariant(witness=blocked_for_devices_that_are_gone)
def blocked_exactly_if_it_must_be(s: Migration, qemu: Id[Qemu]) -> bool:
    """There is one blocker if the vIOMMU is accelerated or not as the user asked; else none."""
    q = s.qemus[qemu]
    must = q.realized and (s.accel or not alike(s, q.cap, s.user))
    return q.blockers == (1 if must else 0)


@invariant(witness=only_migratable_with_devices)
def only_migratable_is_kept(s: Migration, qemu: Id[Qemu]) -> bool:
    """Under -only-migratable nothing keeps the guest from leaving."""
    return not s.only_migratable or s.qemus[qemu].blockers == 0


@invariant(witness=accelerated)
def a_notifier_has_its_viommu(s: Migration, qemu: Id[Qemu]) -> bool:
    """Who waits for the end of the command line is a vIOMMU that is there, and accelerated."""
    q = s.qemus[qemu]
    return q.notifier == (q.realized and s.accel)


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


@on_failure(witness=blocked_for_devices_that_are_gone)
def a_refusal_changes_nothing(before: Migration, s: Migration) -> bool:
    """What is refused leaves both QEMUs, what they promise, and the guest as they were."""
    return (
        s.guest == before.guest
        and all(x.host == before.devices[x.id].host for x in s.devices)
        and all(
            x.ready == before.qemus[x.id].ready
            and x.realized == before.qemus[x.id].realized
            and x.notifier == before.qemus[x.id].notifier
            and x.blockers == before.qemus[x.id].blockers
            for x in s.qemus
        )
        and all(
            x.aw_bits == before.capabilities[x.id].aw_bits
            and all(
                (f.id in x.features) == (f.id in before.capabilities[x.id].features)
                for f in s.feature_bits
            )
            for x in s.capabilities
        )
    )
