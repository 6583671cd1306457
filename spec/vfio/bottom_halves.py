"""What the kernel refused to let go of is asked for again, before the next event."""

from __future__ import annotations

from spec.iommufd.objects import Errno, Object
from spec.language import Fault, Id, mirrors, require
from spec.memory.section import Section
from spec.vfio.calls import vfio_free_id
from spec.vfio.listener import vfio_listener_tries_again
from spec.vfio.state import Containers, Deferring, VFIOIOMMUFDContainer


@mirrors("002 15/21 iommufd_backend_free_id", "defects V-24", "defects C-14")
def vfio_free(s: Deferring, obj: Id[Object], fault: Fault) -> None:
    """Destroy an object that is no longer wanted, now or, if the kernel still uses it, later."""
    err = vfio_free_id(s, obj, fault)
    if err != Errno.OK:
        s.deferred.add(obj)


@mirrors("defects C-14")
def nothing_is_deferred(s: Deferring) -> None:
    """Bottom halves run before the next event: nothing waits to be destroyed then."""
    require(not any(o.id in s.deferred for o in s.objects))


@mirrors("defects C-14")
def bottom_halves_are_done(s: Containers) -> None:
    """Nothing waits to be destroyed or unmapped."""
    nothing_is_deferred(s)
    require(not any(x.id in c.stale for c in s.containers for x in s.sections))


@mirrors("defects C-14")
def destroy_deferred(s: Deferring, obj: Id[Object], fault: Fault) -> None:
    """A bottom half tries again to destroy an object whose DESTROY was refused."""
    require(obj in s.deferred)
    err = vfio_free_id(s, obj, fault)
    if err == Errno.OK:
        s.deferred.discard(obj)


@mirrors("qemu hw/vfio/listener.c vfio_container_region_del")
def listener_bh(
    s: Containers, container: Id[VFIOIOMMUFDContainer], section: Id[Section], fault: Fault
) -> None:
    """A bottom half tries again to unmap what the kernel would not."""
    require(section in s.containers[container].stale)
    vfio_listener_tries_again(s, container, section, fault)
