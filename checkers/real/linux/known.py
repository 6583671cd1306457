"""What a kernel is known to do otherwise than the reference: variants released in its version."""

from __future__ import annotations

import re

from checkers import machines
from checkers.machines import Subject
from spec.language import Variant


def known(about: str, subject: Subject) -> list[Variant]:
    """The variants that are of a kernel, those of these bounds first."""
    version = re.match(r"Linux \d+\.\d+", about)
    found = [
        variant
        for variant in machines.variants().values()
        if variant.machine == subject.program.machine.name
        and variant.standing is not None
        and version is not None
        and variant.standing.of == version[0]
    ]
    return sorted(found, key=lambda variant: variant.bounds != subject.program.bounds_name)
