"""Every action says where it comes from, and what it says is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from spec.iommufd import calls, object_lifetime, objects
from spec.iommufd.uapi import alloc, attach, invalidate, lifetime
from spec.iommufd.uapi import device as uapi_device
from spec.iommufd.uapi import state as uapi_state
from spec.language import Source
from spec.language.machine import Function, sources_of, summary
from spec.machines import MACHINES
from spec.migration import run, viommu
from spec.migration import state as migration_state
from spec.pci import bus, config_space, hotplug, iommu_ops, passthrough, pcie
from spec.smmuv3 import iommu_device as smmuv3_iommu_device
from spec.variants import VARIANTS
from spec.vfio import calls as vfio_calls
from spec.vfio import ext_cap, iommufd, listener
from spec.vfio.attach import device as vfio_device
from spec.vtd import address_space, ioas_container, iommu_device, pasid_cache
from tests.seeds import document


def functions() -> Iterator[Function]:
    """The actions of all machines and the overrides of all variants."""
    for machine in MACHINES.values():
        yield from machine.actions
    for variant in VARIANTS.values():
        yield from variant.overrides.values()


def patch_text(source: Source) -> str:
    """The text of the patch that a source names, or of its whole document."""
    text = document(source.document)
    number, _, _ = source.patch.partition("/")
    pattern = rf"\* \[PATCH [^\]]*\b{re.escape(source.patch)}\] .*$"
    heads = list(re.finditer(r"(?:^|(?<=thread))\* \[PATCH [^\]]*\] .*$", text, re.MULTILINE))
    if not heads:
        assert source.patch in text, f"{source.document} does not speak of {source.patch}"
        return text
    starts = [head.start() for head in heads if re.match(pattern, head[0])]
    assert number
    assert starts, f"no patch {source.patch} in {source.document}"
    after = [head.start() for head in heads if head.start() > starts[0]]
    return text[starts[0] : min(after, default=len(text))]


@pytest.mark.parametrize("function", list(dict.fromkeys(functions())), ids=lambda f: f.__name__)
def test_an_action_has_a_docstring_and_sources_that_resolve(function: Function) -> None:
    assert summary(function)
    assert sources_of(function)
    for source in sources_of(function):
        if source.document == "kernel":
            assert re.search(rf"^{re.escape(source.patch)} ", document("kernel"), re.MULTILINE)
        elif source.document == "defects":
            assert f"### {source.patch} " in document("defects")
        elif source.document == "qemu":
            assert re.fullmatch(r"[a-z0-9_/-]+\.[ch]", source.patch)
            assert re.fullmatch(r"[a-z]\w+", source.function)
        else:
            assert re.search(rf"\b{source.function}\b", patch_text(source)), str(source)


MODULES = (
    calls, objects, object_lifetime, address_space, ioas_container, iommu_device, pasid_cache,
    config_space, pcie, ext_cap, uapi_state, alloc, attach, lifetime, uapi_device, invalidate,
    vfio_calls, listener, iommufd, vfio_device, smmuv3_iommu_device,
    bus, iommu_ops, hotplug, passthrough, migration_state, viommu, run,
)  # fmt: skip
HELPERS = [
    function
    for module in MODULES
    for function in vars(module).values()
    if callable(function) and sources_of(function) and function.__module__ == module.__name__
]


@pytest.mark.parametrize("function", HELPERS, ids=lambda f: f.__name__)
def test_the_sources_of_every_other_function_resolve(function: Function) -> None:
    test_an_action_has_a_docstring_and_sources_that_resolve(function)
