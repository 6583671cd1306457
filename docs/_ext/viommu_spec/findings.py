"""The table of the defects that variants show, and reading the registry that has them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from spec.language import Machine, Variant
from spec.language.machine import sources_of
from viommu_spec.parts import NOTHING
from viommu_spec.rst import blocks, escaped, link, table
from viommu_spec.session import depends_on_specification, parsed


def registered(name: str) -> tuple[list[Machine], list[Variant]]:
    """The machines and variants that a function, ``MODULE:FUNCTION``, answers."""
    module, _, function = name.partition(":")
    machines, variants = getattr(importlib.import_module(module), function)()
    return machines, variants


class Findings(SphinxDirective):
    """A row for each variant whose name begins so: what it does, breaks, mirrors."""

    required_arguments = 1
    optional_arguments = 99

    def run(self) -> list[nodes.Node]:
        """The table; a sentence if there is no such variant."""
        depends_on_specification(self.env)
        _, variants = registered(self.config.viommu_spec_registry)
        found = [item for item in variants if item.name.startswith(tuple(self.arguments))]
        head = ("variant", "what goes wrong", "breaks, in steps", "where", "standing")
        listed = table(head, map(row, found), "20 30 24 14 12")
        return parsed(self, listed or "This book is built without these variants.\n")


class Besides(SphinxDirective):
    """A row for each variant named: what it breaks besides the first rule that it declares."""

    required_arguments = 1
    optional_arguments = 99

    def run(self) -> list[nodes.Node]:
        """The table; an error where there are some of these variants, but not all."""
        depends_on_specification(self.env)
        known = {item.name: item for item in registered(self.config.viommu_spec_registry)[1]}
        if not known.keys() & {*self.arguments}:
            return parsed(self, "This book is built without these variants.\n")
        listed = [more(name, known.get(name)) for name in self.arguments]
        head = ("variant", "is about, in steps", "breaks besides, in steps")
        return parsed(self, table(head, listed, "28 32 40"))


def more(name: str, variant: Variant | None) -> tuple[str, ...]:
    """A variant with the first of the rules that it breaks, and the others."""
    if variant is None or len(variant.expects) < 2:
        what = "is no variant" if variant is None else "breaks one rule alone"
        raise ExtensionError(f"{name} {what}")
    first, *others = broken(variant)
    return link(name, f"variant-{name}"), first, lines(others)


def broken(variant: Variant) -> list[str]:
    """The rules that a variant breaks, each with the length of its shortest trace."""
    return [
        f"{link(name, f'invariant-{name}')}: {length}" for name, length in variant.expects.items()
    ]


def row(variant: Variant) -> tuple[str, ...]:
    """A variant as a row of the table."""
    return (
        link(variant.name, f"variant-{variant.name}"),
        escaped(variant.about),
        lines(broken(variant)) or NOTHING,
        lines(map(escaped, places(variant))),
        escaped(str(variant.standing or NOTHING)),
    )


def places(variant: Variant) -> list[str]:
    """Where the text that a variant follows stands; of a whole series just the series."""
    if len(variant.overrides) > 1 and variant.standing:
        return [variant.standing.source]
    return [str(item) for function in variant.overrides.values() for item in sources_of(function)]


def lines(items: Iterable[str]) -> str:
    """Short lines in one cell."""
    return blocks(*(f"| {item}" for item in items)).replace("\n\n", "\n")
