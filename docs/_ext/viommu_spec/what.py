"""The table of what each machine is of, from the machines' own records."""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from spec.language import Machine
from spec.language.machine import Source, sources_of
from viommu_spec import reading
from viommu_spec.findings import lines, registered
from viommu_spec.parts import NOTHING
from viommu_spec.rst import escaped, link, table
from viommu_spec.session import depends_on_specification, parsed


class What(SphinxDirective):
    """A row for each machine: its design, its documents, how it is held against real systems."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        depends_on_specification(self.env)
        machines, _ = registered(self.config.viommu_spec_registry)
        head = ("machine", "design", "documents", "held against Linux", "held against QEMU")
        return parsed(self, table(head, map(row, machines), "14 28 22 18 18"))


def row(machine: Machine) -> tuple[str, ...]:
    """A machine as a row of the table."""
    of = machine.of
    name = link(machine.name, f"machine-{machine.name}")
    if of is None:
        return name, NOTHING, NOTHING, NOTHING, NOTHING
    design = escaped(f"{of.kind}: {of.design} Read of {of.versions}.")
    return name, design, lines(documents(machine)), escaped(of.kernel), escaped(of.qemu)


def documents(machine: Machine) -> list[str]:
    """What the functions of a machine say that they mirror: each document with its parts."""
    found: dict[str, dict[str, None]] = {}
    for action in machine.actions:
        for function in (action, *reading.reached(action)):
            for source in sources_of(function):
                found.setdefault(document(source), {})[source.patch] = None
    return [f"{name} {', '.join(sorted(parts))}" for name, parts in sorted(found.items())]


def document(source: Source) -> str:
    """What a source is part of, in words."""
    named = {"kernel": "iommufd's rules", "defects": "known defects", "qemu": "QEMU's"}
    return named.get(source.document, source.document)
