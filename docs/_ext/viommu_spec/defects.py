"""The table of known defects: where each stands, and which variant shows it, or why none does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TypedDict

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from spec.language import Variant
from spec.language.machine import sources_of
from viommu_spec.findings import lines, registered
from viommu_spec.index import commits
from viommu_spec.parts import NOTHING
from viommu_spec.rst import blocks, escaped, link, table
from viommu_spec.session import depends_on_specification, parsed

REASONS = ("outside", "rule")
KNOWN = ("seen", "reported", "fixed", "comparing", "read", "suspected")


class Defect(TypedDict, total=False):
    """An entry of the data file: what goes wrong, where, since and until when, how it is known."""

    title: str
    where: str
    stands: str
    commits: list[str]
    known: str
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
        listed = [
            row(key, entry, shown.get(key, []), bool(shown))
            for key, entry in known(Path(path)).items()
            if not beginnings or key.startswith(tuple(beginnings))
        ]
        head = ("defect", "what goes wrong, and where", "upstream", "shown by, or why not")
        return parsed(self, table(head, listed, "8 34 28 30"))


def known(path: Path) -> dict[str, Defect]:
    """The entries of the data file, by id."""
    with path.open("rb") as opened:
        entries: dict[str, Defect] = tomllib.load(opened)  # type: ignore[assignment]
    for key, entry in entries.items():
        if strange := set(entry) - {*Defect.__annotations__}:
            raise ExtensionError(f"{path.name}: {key} has no field {min(strange)!r}")
        for name in ("title", "where", "stands", "known"):
            if not entry.get(name):
                raise ExtensionError(f"{path.name}: {key} has no {name}")
        if entry["known"] not in KNOWN:
            raise ExtensionError(f"{path.name}: {key} is known by none of {', '.join(KNOWN)}")
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


def row(key: str, entry: Defect, variants: list[Variant], whole: bool = True) -> tuple[str, ...]:
    """An entry as a row of the table; in a book without these variants nothing is asked of them."""
    reason = next((entry[name] for name in REASONS if entry.get(name)), "")  # type: ignore[literal-required]
    if whole and bool(reason) == bool(variants):
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
    stands = entry["stands"][0].upper() + entry["stands"][1:]
    where = re.sub(r"\w+_\w+", r"`\g<0>`", entry["where"])
    return (
        f".. _defect-{key}:\n\n{key}",
        blocks(escaped(entry["title"]), escaped(where)),
        blocks(escaped(f"{stands}. Known: {entry['known']}."), commits(entry.get("commits", []))),
        lines(shown) or escaped(reason) or NOTHING,
    )
