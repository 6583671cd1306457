"""Breaches of the kernel's rules that no kernel had, for each machine that has the rule."""

from __future__ import annotations

from spec.iommufd.calls import held, put_parent
from spec.iommufd.objects import Device, Errno, Kernel, Object, clear_areas
from spec.iommufd.uapi.lifetime import forget
from spec.iommufd.uapi.refusals import driver_refusal
from spec.iommufd.uapi.state import Uapi
from spec.language import Id, mirrors, overrides


@overrides(held)
@mirrors("kernel R0.6")
def nothing_is_held(s: Kernel, obj: Id[Object]) -> bool:
    """DESTROY no longer answers EBUSY."""
    return False


@overrides(put_parent)
@mirrors("kernel R0.7")
def parent_is_kept(s: Kernel, obj: Id[Object]) -> None:
    """An object that goes keeps its reference on what it was made on."""


@overrides(clear_areas)
@mirrors("kernel R0.2")
def areas_are_kept(s: Kernel, obj: Id[Object]) -> None:
    """What an IOAS mapped is still there when its id names something else."""


@overrides(forget)
@mirrors("kernel R0.2")
def nothing_is_forgotten(s: Uapi, obj: Id[Object]) -> None:
    """What an object was is still there when its id names another."""


@overrides(driver_refusal)
@mirrors("kernel R7.10", "kernel R7.15", "kernel R7.17")
def everything_fits(s: Uapi, dev: Id[Device], pasid: bool, hwpt: Id[Object]) -> Errno:
    """The driver attaches a device to any HWPT: not coherent, of another IOMMU, tracking or not."""
    return Errno.OK
