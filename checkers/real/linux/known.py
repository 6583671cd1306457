"""What a kernel is known to do otherwise than the reference: variants released in its version."""

from __future__ import annotations

import re

from checkers import machines
from checkers.machines import Subject
from spec.language import Variant


def known(about: str, subject: Subject) -> list[Variant]:
    """The variants that are of a kernel, those of these bounds first."""
    program = subject.program
    found = [
        variant
        for variant in machines.variants().values()
        if variant.machine == program.machine.name and is_of(variant, about)
    ]
    return sorted(found, key=lambda variant: variant.bounds != program.bounds_name)


def is_of(variant: Variant, about: str) -> bool:
    """Whether a variant is released in a kernel's version."""
    version = re.match(r"Linux \d+\.\d+", about)
    return bool(version and variant.standing and variant.standing.of == version[0])
