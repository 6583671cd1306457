"""Capabilities and migration: what QEMU 11.1 does, what 003 did, and vIOMMUs before their checks.

`migration-blocker-11.1` and `migration-blocker-003` are all of it; each of the others is the
reference with a single defect, so that one does not hide another.
"""

from __future__ import annotations

from functools import partial

from spec.iommufd.objects import Errno
from spec.language import (
    MUTANT,
    Fault,
    Id,
    check,
    limit,
    mirrors,
    overrides,
    posted,
    released,
    variant_of,
)
from spec.migration.run import (
    qemu_exit,
    vtd_post_load,
    vtd_replay_pasid_bindings_all,
)
from spec.migration.state import (
    Capabilities,
    HostIOMMU,
    Migration,
    Qemu,
    host_can,
    vtd_cap_init,
)
from spec.migration.viommu import (
    migrate_add_blocker,
    qemu_ends,
    smmuv3_block_migration,
    vtd_check_hiod,
    vtd_init,
)
from spec.variants.seen import seen


@overrides(vtd_post_load)
@mirrors("qemu hw/i386/intel_iommu.c vtd_post_load")
def the_stream_is_believed(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """The registers of the source come with the guest, whatever the command line says."""
    if s.qemus[dest].realized != s.qemus[s.guest].realized:
        return Errno.EINVAL
    vtd_cap_init(s, s.qemus[dest].cap, s.qemus[s.guest].cap)
    return vtd_replay_pasid_bindings_all(s, dest, fault)


@overrides(vtd_replay_pasid_bindings_all)
@mirrors("qemu hw/i386/intel_iommu.c vtd_replay_pasid_bindings_all", "defects V-29")
def replay_is_only_reported(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """What the kernel refuses to put in force is reported, and the guest runs without."""
    s.in_force = vtd_replay_pasid_bindings_all(s, dest, fault) == Errno.OK
    return Errno.OK


@mirrors("003 v1 mgaw", "003 v1 sync")
def vtd_sync_hdev(s: Migration, cap: Id[Capabilities], host: Id[HostIOMMU]) -> None:
    """The vIOMMU promises no more than an IOMMU of the host can do, and no more than before."""
    if s.hosts[host].aw_bits < s.capabilities[cap].aw_bits:
        s.capabilities[cap].aw_bits = s.hosts[host].aw_bits
    for f in s.feature_bits:
        if f.id not in s.hosts[host].features:
            s.capabilities[cap].features.discard(f.id)


@mirrors("003 v1 migration")
def vtd_block_migration(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """Before the capabilities change the guest is kept from leaving, once."""
    if s.qemus[qemu].blockers > 0:
        return Errno.OK
    return migrate_add_blocker(s, qemu, fault)


@overrides(vtd_check_hiod)
@mirrors("003 v1 vtd_check_hdev")
def follows_its_hosts(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """Until the machine is ready the vIOMMU gives way, and the guest may not leave."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    if s.qemus[qemu].ready:
        return Errno.EINVAL
    err = vtd_block_migration(s, qemu, fault)
    if err == Errno.OK:
        vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return err


@overrides(vtd_check_hiod)
@mirrors("003 v1 sync")
def follows_and_is_silent(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The vIOMMU gives way, and nobody hears of it: 003 before its last patch."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    if s.qemus[qemu].ready:
        return Errno.EINVAL
    vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return Errno.OK


@overrides(vtd_check_hiod)
@mirrors("003 v1 vtd_check_hdev")
def follows_at_any_time(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The vIOMMU gives way to a device that is hot-plugged, too."""
    if host_can(s, host, s.qemus[qemu].cap):
        return Errno.OK
    err = vtd_block_migration(s, qemu, fault)
    if err == Errno.OK:
        vtd_sync_hdev(s, s.qemus[qemu].cap, host)
    return err


@overrides(vtd_check_hiod)
@mirrors("003 v1 sync")
def becomes_its_host(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """The vIOMMU becomes what the host is, with features that the user did not ask for."""
    if s.qemus[qemu].ready:
        return Errno.OK if host_can(s, host, s.qemus[qemu].cap) else Errno.EINVAL
    cap = s.qemus[qemu].cap
    s.capabilities[cap].aw_bits = s.hosts[host].aw_bits
    for f in s.feature_bits:
        if f.id in s.hosts[host].features:
            s.capabilities[cap].features.add(f.id)
        else:
            s.capabilities[cap].features.discard(f.id)
    return Errno.OK


@overrides(vtd_init)
@mirrors("003 v1 vtd_cap_init")
def frozen_over_resets(s: Migration, qemu: Id[Qemu]) -> None:
    """A reset leaves the registers what they were when the machine was made ready."""
    q = s.qemus[qemu]
    vtd_cap_init(s, q.cap, q.frozen if q.ready else q.user)


@overrides(smmuv3_block_migration)
@mirrors("001 27/37 smmu_realize")
def accelerated_but_not_blocked(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """An accelerated vIOMMU lets the guest leave, without the tables that the host walks."""
    return Errno.OK


@overrides(vtd_check_hiod)
@mirrors("002 09/21 vtd_check_hiod")
def nothing_is_checked(s: Migration, qemu: Id[Qemu], host: Id[HostIOMMU], fault: Fault) -> Errno:
    """Any device is taken."""
    return Errno.OK


@overrides(host_can)
@mirrors("002 09/21 vtd_check_hiod")
def held_against_each_other(s: Migration, host: Id[HostIOMMU], cap: Id[Capabilities]) -> bool:
    """The check is the wrong way round: the vIOMMU must have all that the host has."""
    return s.capabilities[cap].aw_bits >= s.hosts[host].aw_bits and all(
        f.id not in s.hosts[host].features or f.id in s.capabilities[cap].features
        for f in s.feature_bits
    )


@overrides(migrate_add_blocker)
@mirrors("001 27/37 migrate_add_blocker")
def only_migratable_is_overridden(s: Migration, qemu: Id[Qemu], fault: Fault) -> Errno:
    """A blocker is taken where the user has said that there is to be none."""
    limit(s.qemus[qemu].blockers < 3, "blockers")
    s.qemus[qemu].blockers += 1
    return Errno.OK


@overrides(vtd_replay_pasid_bindings_all)
@mirrors("qemu hw/i386/intel_iommu.c vtd_replay_pasid_bindings_all", "defects V-03")
def replay_must_not_fail(s: Migration, dest: Id[Qemu], fault: Fault) -> Errno:
    """What the kernel refuses to put in force aborts the QEMU that was to load the guest."""
    err = vtd_replay_pasid_bindings_all(s, dest, fault)
    check(err == Errno.OK, "error_abort")
    return err


@overrides(qemu_ends)
@mirrors("001 27/37 smmu_realize")
def blocker_outlives_its_viommu(s: Migration, qemu: Id[Qemu]) -> None:
    """The vIOMMU goes, and the guest may still not leave."""
    blockers = s.qemus[qemu].blockers
    qemu_ends(s, qemu)
    s.qemus[qemu].blockers = blockers


@overrides(qemu_ends)
@mirrors("qemu system/vl.c device_init_func")
def capabilities_outlive_their_viommu(s: Migration, qemu: Id[Qemu]) -> None:
    """The vIOMMU goes, and its registers can still be read."""
    qemu_ends(s, qemu)
    vtd_cap_init(s, s.qemus[qemu].cap, s.qemus[qemu].user)


@overrides(qemu_exit)
@mirrors("qemu system/runstate.c qemu_cleanup")
def guest_outlives_its_qemu(s: Migration, qemu: Id[Qemu]) -> None:
    """A QEMU ends, and the guest is still said to be there."""
    guest = s.guest
    qemu_exit(s, qemu)
    s.guest = guest


variant = partial(variant_of, "migration-blocker", standing=MUTANT)
SEEN = seen("migration-x86")
DROPPED = "never merged: VT-d checks its hosts and does not follow them"

VARIANTS = (
    variant(
        "migration-blocker-11.1", the_stream_is_believed, replay_is_only_reported,
        standing=released("QEMU 11.1", "hw/i386/intel_iommu.c vtd_post_load", "reachable", SEEN),
        about="VT-d blocks nothing, and the destination believes the source: registers are not "
        "held against the command line or the hosts there, and what the kernel there refuses is "
        "only reported.",
        capabilities_are_frozen=5, no_promise_beyond_a_host=6,
        a_viommu_is_what_the_user_asked_for=5, the_guest_keeps_what_it_saw=6,
        blocked_exactly_if_it_must_be=5, tables_are_in_force=6,
    ),
    variant(
        "migration-blocker-not-compared", the_stream_is_believed,
        standing=released("QEMU 11.1", "hw/i386/intel_iommu.c vtd_post_load", "reachable", SEEN),
        about="A destination with another command line takes the guest: it shows what the source "
        "did, which the hosts there may not have, and after a reset something else.",
        capabilities_are_frozen=5, no_promise_beyond_a_host=6,
        a_viommu_is_what_the_user_asked_for=5, the_guest_keeps_what_it_saw=6,
        blocked_exactly_if_it_must_be=5,
    ),
    variant(
        "migration-blocker-replay-ignored", replay_is_only_reported,
        standing=released(
            "QEMU 11.1", "hw/i386/intel_iommu.c vtd_replay_pasid_bindings_all; defects V-29",
            "reachable",
        ),
        tables_are_in_force=6,
    ),
    variant(
        "migration-blocker-003", follows_its_hosts, the_stream_is_believed,
        standing=posted("003 v1", "003", DROPPED),
        about="VT-d follows its hosts, and a blocker keeps the guest from leaving, but none from "
        "coming. Registers are made from the command line at each reset, as 003's first patch was "
        "merged.",
        capabilities_are_frozen=4, no_promise_beyond_a_host=4,
        a_viommu_is_what_the_user_asked_for=2, the_guest_keeps_what_it_saw=4,
        blocked_exactly_if_it_must_be=4,
    ),
    variant(
        "migration-blocker-follows", follows_its_hosts,
        standing=posted("003 v1", "003", DROPPED),
        about="VT-d follows its hosts, and a reset undoes it: the vIOMMU is what its command line "
        "says, and promises again what a host cannot do.",
        capabilities_are_frozen=4, no_promise_beyond_a_host=4,
        a_viommu_is_what_the_user_asked_for=2, the_guest_keeps_what_it_saw=4,
        blocked_exactly_if_it_must_be=4,
    ),
    variant(
        "migration-blocker-silent", follows_and_is_silent, frozen_over_resets,
        standing=posted("003 v1 without its last patch", "003", DROPPED),
        about="The guest may leave with what another QEMU will not show.",
        a_viommu_is_what_the_user_asked_for=2, blocked_exactly_if_it_must_be=2,
    ),
    variant(
        "migration-blocker-accel", accelerated_but_not_blocked,
        standing=posted("001 without 27/37", "001 27/37", "never merged"),
        about="Before 001 27/37 a guest with an accelerated vIOMMU could be migrated.",
        blocked_exactly_if_it_must_be=1,
    ),
    variant(
        "migration-blocker-unchecked", nothing_is_checked,
        standing=posted("002 without 09/21", "002 09/21", "never merged"),
        about="Before 002 09/21 nobody asked the host.",
        no_promise_beyond_a_host=2,
    ),
    variant(
        "migration-blocker-hot-plug-syncs", follows_at_any_time, frozen_over_resets,
        about="What the guest has read is no longer so.",
        capabilities_are_frozen=3, no_promise_beyond_a_host=4,
        a_viommu_is_what_the_user_asked_for=2, the_guest_keeps_what_it_saw=3,
        blocked_exactly_if_it_must_be=4,
    ),
    variant(
        "migration-blocker-as-the-host", becomes_its_host, frozen_over_resets,
        about="The command line does not say what the guest gets.",
        no_promise_beyond_a_host=3, a_viommu_is_what_the_user_asked_for=2,
        blocked_exactly_if_it_must_be=2,
    ),
    variant(
        "migration-blocker-wrong-way", held_against_each_other,
        about="A host that has less is taken; one that has more is refused.",
        no_promise_beyond_a_host=2,
    ),
    variant(
        "migration-blocker-aborts", replay_must_not_fail,
        no_failed_check=6,
    ),
    variant(
        "migration-blocker-overridden", only_migratable_is_overridden,
        about="The guest may not leave where it must.",
        only_migratable_is_kept=1,
    ),
    variant(
        "migration-blocker-blocker-stays", blocker_outlives_its_viommu,
        about="It is there without its reason.",
        blocked_exactly_if_it_must_be=1, a_refusal_changes_nothing=1, teardown_reachable=1,
    ),
    variant(
        "migration-blocker-registers-stay", capabilities_outlive_their_viommu,
        about="They promise what nobody does.",
        nothing_without_a_viommu=1,
    ),
    variant(
        "migration-blocker-guest-stays", guest_outlives_its_qemu,
        about="It runs nowhere.",
        the_guest_keeps_what_it_saw=3, tables_are_in_force=2, a_guest_is_in_a_qemu=2,
        teardown_reachable=1,
    ),
)
