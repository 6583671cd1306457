"""The table of known defects: which variant shows one, or why none does."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypedDict

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from spec.language import Variant
from spec.language.machine import sources_of
from viommu_spec.findings import lines, registered
from viommu_spec.parts import NOTHING
from viommu_spec.rst import escaped, link, table
from viommu_spec.session import depends_on_specification, parsed

REASONS = ("outside", "rule")


class Defect(TypedDict, total=False):
    """An entry of the data file: its title, and why no variant shows it."""

    title: str
    outside: str
    rule: str


class Defects(SphinxDirective):
    """A row for each entry of the data file whose id begins with one of the other arguments."""

    required_arguments = 1
    optional_arguments = 9

    def run(self) -> list[nodes.Node]:
        """The table; an error where an entry has neither a variant nor a reason, or both."""
        depends_on_specification(self.env)
        file, *beginnings = self.arguments
        name, path = self.env.relfn2path(file)
        self.env.note_dependency(name)
        _, variants = registered(self.config.viommu_spec_registry)
        shown = showing(variants)
        if not shown:
            return parsed(self, "This book is built without these variants.\n")
        listed = [
            row(key, entry, shown.get(key, []))
            for key, entry in known(Path(path)).items()
            if not beginnings or key.startswith(tuple(beginnings))
        ]
        head = ("defect", "what goes wrong", "shown by", "or why not")
        return parsed(self, table(head, listed, "8 32 30 30"))


def known(path: Path) -> dict[str, Defect]:
    """The entries of the data file, by id."""
    with path.open("rb") as opened:
        entries: dict[str, Defect] = tomllib.load(opened)  # type: ignore[assignment]
    for key, entry in entries.items():
        if strange := set(entry) - {"title", *REASONS}:
            raise ExtensionError(f"{path.name}: {key} has no field {min(strange)!r}")
        if not entry.get("title"):
            raise ExtensionError(f"{path.name}: {key} has no title")
    return entries


def showing(variants: list[Variant]) -> dict[str, list[Variant]]:
    """The variants that name a defect as a source, by its id."""
    found: dict[str, list[Variant]] = {}
    for variant in variants:
        for function in variant.overrides.values():
            for source in sources_of(function):
                if source.document == "defects" and variant not in found.get(source.patch, []):
                    found.setdefault(source.patch, []).append(variant)
    return found


def row(key: str, entry: Defect, variants: list[Variant]) -> tuple[str, ...]:
    """An entry as a row of the table."""
    reason = next((entry[name] for name in REASONS if entry.get(name)), "")  # type: ignore[literal-required]
    if bool(reason) == bool(variants):
        what = "both a variant and a reason" if variants else "neither a variant nor a reason"
        raise ExtensionError(f"{key} has {what}")
    shown = [
        f"{link(variant.name, f'variant-{variant.name}')}: "
        + ", ".join(
            f"{link(rule, f'invariant-{rule}')} {length}"
            for rule, length in variant.expects.items()
        )
        for variant in variants
    ]
    return key, escaped(entry["title"]), lines(shown) or NOTHING, escaped(reason) or NOTHING
