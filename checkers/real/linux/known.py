"""What a kernel is known to do otherwise than the reference: variants released in its version."""

from __future__ import annotations

import re
from typing import Final

from checkers import machines
from checkers.machines import Subject
from spec.language import Variant

BLOCKS_FIRST: Final = ("linux-7.3-blocked-first",)
"""The variants that are of a driver that blocks a device first, as Intel's does."""


def known(about: str, subject: Subject, blocks_first: bool) -> list[Variant]:
    """The variants that are of a kernel and of such a driver, those of these bounds first."""
    program = subject.program
    found = [
        variant
        for variant in machines.variants().values()
        if variant.machine == program.machine.name and is_of(variant, about)
        and (blocks_first or variant.name not in BLOCKS_FIRST)
    ]
    return sorted(found, key=lambda variant: variant.bounds != program.bounds_name)


def is_of(variant: Variant, about: str) -> bool:
    """Whether a variant is released in a kernel's version."""
    version = re.match(r"Linux \d+\.\d+", about)
    return bool(version and variant.standing and variant.standing.of == version[0])
