"""Capabilities and migration as posted: 003, 001 27/37, and vIOMMUs as they were before.

`migration-blocker-v1` is 003 with the blocker of 001; each of the others is the reference with a
single defect, so that one does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import MUTANT, Fault, Id, limit, mirrors, overrides, posted, variant_of
from spec.migration.run import qemu_exit, vtd_post_load
from spec.migration.state import (
    Capabilities,
    Device,
    HostIOMMU,
    Migration,
    Qemu,
    host_can,
    no_capabilities,
    plugged,
    vtd_cap_init,
)
from spec.migration.viommu import (
    accel_init,
    migrate_add_blocker,
    migrate_del_blocker,
    viommu_realize_failed,
    viommu_unrealize,
    vtd_block_migration,
    vtd_check_hdev,
    vtd_dev_unset_iommu_device,
    vtd_sync_hdev,
)


@overrides(vtd_post_load)
@mirrors("003 v1 migration")
def the_stream_is_believed(s: Migration, dest: Id[Qemu]) -> bool:
    """The destination has a vIOMMU or none as the source; what it promises is not looked at."""
    return s.qemus[dest].realized == s.qemus[s.guest].realized


@overrides(viommu_realize_failed)
@mirrors("001 27/37 smmu_realize", "defects S-40")
def realize_just_returns(s: Migration, qemu: Id[Qemu]) -> None:
    """What a vIOMMU has registered stays when it cannot be made."""


@overrides(accel_init)
@mirrors("001 27/37 smmuv3_accel_init")
def accelerated_but_not_blocked(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """An accelerated vIOMMU lets the guest leave, without the tables that the host walks."""
    s.qemus[qemu].notifier = s.accel
    return Errno.OK


@overrides(vtd_check_hdev)
@mirrors("002 09/21 vtd_check_hiod")
def nothing_is_checked(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """Any device is taken."""
    return Errno.OK


@overrides(vtd_check_hdev)
@mirrors("003 v1 vtd_check_hdev")
def hot_plug_syncs_too(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The vIOMMU gives way at any time."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    err = vtd_block_migration(s, qemu, fault)
    if err == Errno.OK:
        vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return err


@overrides(vtd_check_hdev)
@mirrors("003 v1 vtd_check_hdev")
def synced_before_blocked(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The vIOMMU has given way when the blocker is refused."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    if s.qemus[qemu].ready:
        return Errno.EINVAL
    vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return vtd_block_migration(s, qemu, fault)


@overrides(host_can)
@mirrors("002 09/21 vtd_check_hiod")
def held_against_each_other(s: Migration, host: Id[HostIOMMU], cap: Id[Capabilities]) -> bool:
    """The check is the wrong way round: the vIOMMU must have all that the host has."""
    return s.capabilities[cap].aw_bits >= s.hosts[host].aw_bits and all(
        f.id not in s.hosts[host].features or f.id in s.capabilities[cap].features
        for f in s.feature_bits
    )


@overrides(vtd_sync_hdev)
@mirrors("003 v1 sync")
def taken_from_the_host(s: Migration, cap: Id[Capabilities], host: Id[HostIOMMU]) -> None:
    """The vIOMMU becomes what the host is, with features that the user did not ask for."""
    s.capabilities[cap].aw_bits = s.hosts[host].aw_bits
    for f in s.feature_bits:
        if f.id in s.hosts[host].features:
            s.capabilities[cap].features.add(f.id)
        else:
            s.capabilities[cap].features.discard(f.id)


@overrides(vtd_block_migration)
@mirrors("003 v1 migration")
def never_blocked(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """Capabilities change, and nobody hears of it: 003 before its last patch."""
    return Errno.OK


@overrides(vtd_block_migration)
@mirrors("003 v1 migration")
def blocked_by_each_device(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """Each device adds a blocker, of which one will be taken away."""
    return migrate_add_blocker(s, qemu, fault)


@overrides(migrate_add_blocker)
@mirrors("001 27/37 migrate_add_blocker")
def only_migratable_is_overridden(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """A blocker is taken where the user has said that there is to be none."""
    limit(s.qemus[qemu].blockers < 3, "blockers")
    s.qemus[qemu].blockers += 1
    return Errno.OK


@overrides(vtd_dev_unset_iommu_device)
@mirrors("003 v1 unset_iommu_device")
def restored_at_unplug(s: Migration, dev: Id[Device]) -> None:
    """With its last device gone the vIOMMU becomes again what the user asked for."""
    vtd_dev_unset_iommu_device(s, dev)
    qemu = s.devices[dev].qemu
    if not plugged(s, qemu):
        vtd_cap_init(s, s.qemus[qemu].cap, s.user)


@overrides(viommu_unrealize)
@mirrors("001 27/37 smmu_realize")
def blocker_outlives_its_viommu(s: Migration, qemu: Id[Qemu]) -> None:
    """The vIOMMU goes, and the guest may still not leave."""
    s.qemus[qemu].notifier = False
    no_capabilities(s, s.qemus[qemu].cap)
    s.qemus[qemu].realized = False


@overrides(viommu_unrealize)
@mirrors("001 27/37 smmu_realize")
def capabilities_outlive_their_viommu(s: Migration, qemu: Id[Qemu]) -> None:
    """The vIOMMU goes, and its registers can still be read."""
    s.qemus[qemu].notifier = False
    migrate_del_blocker(s, qemu)
    s.qemus[qemu].realized = False


@overrides(qemu_exit)
@mirrors("001 27/37 smmu_realize")
def guest_outlives_its_qemu(s: Migration, qemu: Id[Qemu]) -> None:
    """A QEMU ends, and the guest is still said to be there."""
    guest = s.guest
    qemu_exit(s, qemu)
    s.guest = guest


variant = partial(variant_of, "migration-blocker", standing=MUTANT)
DROPPED = "never merged: VT-d checks its hosts and does not follow them"

VARIANTS = (
    variant(
        "migration-blocker-v1", the_stream_is_believed, realize_just_returns,
        standing=posted(
            "003 v1, 001 v9", "003; 001 27/37; defects S-40", DROPPED
        ),
        about="003 and 001 27/37 as posted: a blocker keeps a guest from leaving, but none from "
        "coming, and what the vIOMMU has registered stays if it cannot be made.",
        the_guest_keeps_what_it_saw=6, blocked_exactly_if_it_must_be=1, a_notifier_has_its_viommu=1,
        a_refusal_changes_nothing=1, no_failed_check=2, teardown_reachable=1,
    ),
    variant(
        "migration-blocker-incoming", the_stream_is_believed,
        standing=posted("003 v1", "003", DROPPED),
        about="The guest comes to a QEMU whose vIOMMU has given way to a device there, and uses "
        "what the host of that does not have.",
        the_guest_keeps_what_it_saw=6,
    ),
    variant(
        "migration-blocker-realize", realize_just_returns, standing=posted(
            "001 v9", "001 27/37; defects S-40", "reachable: merged as posted"
        ),
        about="A vIOMMU fails after acceleration was set up: QEMU cannot migrate any more, and "
        "calls a notifier that was freed.",
        blocked_exactly_if_it_must_be=1, a_notifier_has_its_viommu=1, a_refusal_changes_nothing=1,
        no_failed_check=2, teardown_reachable=1,
    ),
    variant(
        "migration-blocker-accel", accelerated_but_not_blocked,
        standing=posted("001 without 27/37", "001 27/37", "never merged"),
        about="Before 001 27/37 a guest with an accelerated vIOMMU could be migrated.",
        blocked_exactly_if_it_must_be=1,
    ),
    variant(
        "migration-blocker-unchecked", nothing_is_checked, standing=posted(
            "003 and 002 before their checks", "003; 002 09/21", "never merged"
        ),
        about="Before 003 and 002 09/21 nobody asked the host.",
        no_promise_beyond_a_host=2,
    ),
    variant(
        "migration-blocker-silent", never_blocked,
        standing=posted("003 v1 without its last patch", "003", DROPPED),
        about="003 without its last patch: the guest may leave with what another QEMU will not "
        "show.",
        blocked_exactly_if_it_must_be=2,
    ),
    variant(
        "migration-blocker-hot-plug-syncs", hot_plug_syncs_too,
        about="What the guest has read is no longer so.",
        capabilities_are_frozen=3, the_guest_keeps_what_it_saw=3,
    ),
    variant(
        "migration-blocker-restored", restored_at_unplug,
        about="What the guest has read is no longer so.",
        capabilities_are_frozen=4, the_guest_keeps_what_it_saw=4, blocked_exactly_if_it_must_be=4,
    ),
    variant(
        "migration-blocker-synced-first", synced_before_blocked,
        about="A device that is refused has changed the vIOMMU.",
        blocked_exactly_if_it_must_be=2, a_refusal_changes_nothing=2,
    ),
    variant(
        "migration-blocker-wrong-way", held_against_each_other,
        about="A host that has less is taken; one that has more blocks migration, or is refused.",
        no_promise_beyond_a_host=2, blocked_exactly_if_it_must_be=2,
    ),
    variant(
        "migration-blocker-as-the-host", taken_from_the_host,
        about="The command line does not say what the guest gets.",
        no_promise_beyond_the_users=2,
    ),
    variant(
        "migration-blocker-each-device", blocked_by_each_device,
        about="The guest may not leave when the vIOMMU is gone.",
        blocked_exactly_if_it_must_be=2, a_refusal_changes_nothing=4, teardown_reachable=2,
    ),
    variant(
        "migration-blocker-overridden", only_migratable_is_overridden,
        about="The guest may not leave where it must.",
        only_migratable_is_kept=1,
    ),
    variant(
        "migration-blocker-blocker-stays", blocker_outlives_its_viommu,
        about="It is there without its reason.",
        blocked_exactly_if_it_must_be=2, a_refusal_changes_nothing=3, teardown_reachable=1,
    ),
    variant(
        "migration-blocker-registers-stay", capabilities_outlive_their_viommu,
        about="They promise what nobody does.",
        nothing_without_a_viommu=2,
    ),
    variant(
        "migration-blocker-guest-stays", guest_outlives_its_qemu,
        about="It runs nowhere.",
        the_guest_keeps_what_it_saw=3, a_guest_is_in_a_qemu=2, teardown_reachable=1,
    ),
)
