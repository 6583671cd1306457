"""Every action says where it comes from, and what it says is in the repository's own index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from viommu_spec.provenance import everything, missing

from spec.language import Source
from spec.language.machine import Function, sources_of, summary
from spec.machines import MACHINES
from spec.variants import VARIANTS


def functions() -> Iterator[Function]:
    """The actions of all machines and the overrides of all variants."""
    for machine in MACHINES.values():
        yield from machine.actions
    for variant in VARIANTS.values():
        yield from variant.overrides.values()


@pytest.mark.parametrize("function", list(dict.fromkeys(functions())), ids=lambda f: f.__name__)
def test_an_action_has_a_docstring_and_sources(function: Function) -> None:
    assert summary(function)
    assert sources_of(function)


@pytest.mark.parametrize("function", list(everything()), ids=lambda f: f.__name__)
def test_the_sources_of_every_function_resolve(function: Function) -> None:
    assert summary(function)
    for source in sources_of(function):
        assert not missing(source), f"{function.__module__}.{function.__name__}"


def test_every_function_that_is_an_action_or_in_a_variant_is_among_them() -> None:
    assert {*functions()} <= {*everything()}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (Source("kernel", "R7.99", ""), "no rule R7.99"),
        (Source("defects", "V-99", ""), "no defect V-99"),
        (Source("002", "22/21", ""), "no patch 002 22/21"),
        (Source("002", "16/21", "vtd_create_s1_hwpt"), "patches.toml has no 002 16/21"),
        (Source("qemu", "hw/vfio/iommufd.c", "vfio_listener_register"), "qemu.toml has no"),
    ],
    ids=str,
)
def test_what_is_not_there_is_named(source: Source, why: str) -> None:
    assert missing(source).startswith(why)
