"""What the specification names as its source, as pages: rules, documents, patches, functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from spec.language import Machine, Source, Variant
from spec.language.machine import Function, sources_of
from viommu_spec import parts, provenance
from viommu_spec.findings import lines, registered
from viommu_spec.pages import Book
from viommu_spec.rst import blocks, escaped, link, prose, table
from viommu_spec.session import depends_on_specification, parsed

LINUX = "7.3.4"
"""The version of Linux in which the functions of the rules are found."""

COMMITS = {
    "qemu": "https://gitlab.com/qemu-project/qemu/-/commit/",
    "linux": "https://git.kernel.org/linus/",
}
MESSAGE = "https://lore.kernel.org/qemu-devel/"


@dataclass(frozen=True)
class Mirrors:
    """Which functions of the book mirror a source."""

    machines: list[Machine]
    variants: list[Variant]

    @cached_property
    def places(self) -> dict[Function, str]:
        """Each function that says where it comes from, with a link to where the book has it."""
        shown = Book(self.machines, self.variants).modules().values()
        found = {item: parts.link_to(item) for items in shown for item in items}
        for machine in self.machines:
            for item in machine.actions:
                name = item.__name__
                found[item] = link(name, f"action-{machine.name}-{name}")
            for rule in machine.invariants:
                found[rule.function] = link(rule.name, f"invariant-{rule.name}")
        for variant in self.variants:
            for item in variant.overrides.values():
                found[item] = link(variant.name, f"variant-{variant.name}")
        return found

    @cached_property
    def by_source(self) -> dict[Source, list[str]]:
        """The links to the functions that mirror each source, each once."""
        found: dict[Source, dict[str, None]] = {}
        for function, place in self.places.items():
            for source in sources_of(function):
                found.setdefault(source, {})[place] = None
        return {source: sorted(places) for source, places in found.items()}

    @property
    def whole(self) -> bool:
        """Whether this is the book of the specification: a book of toys mirrors no kernel."""
        return any(source.document == "kernel" for source in self.by_source)

    def of(self, document: str, patch: str) -> list[str]:
        """The links to what mirrors any function of a patch, a rule or a file."""
        return sorted({
            place
            for source, places in self.by_source.items()
            if (source.document, source.patch) == (document, patch)
            for place in places
        })  # fmt: skip


def mirrors(directive: SphinxDirective) -> Mirrors:
    """Those of the registry that a book is built with."""
    depends_on_specification(directive.env)
    for path in provenance.FOLDER.glob("*.toml"):
        directive.env.note_dependency(str(path))
    provenance.table.cache_clear()
    return Mirrors(*registered(directive.config.viommu_spec_registry))


class KernelRules(SphinxDirective):
    """The rules of the kernel whose ids begin with the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Each with its text; an error where one has neither a mirror nor a reason, or both."""
        found = mirrors(self)
        (beginning,) = self.arguments
        shown = [
            rule(key, item, found.of("kernel", key), found.whole)
            for key, item in provenance.rules().items()
            if key.startswith(beginning)
        ]
        return parsed(self, blocks(*shown))


def rule(key: str, item: provenance.Rule, mirrored: list[str], whole: bool) -> str:
    """A rule: what it says, the errnos it may answer, where the kernel has it, who mirrors it."""
    outside = item.get("outside", "")
    if whole and bool(outside) == bool(mirrored):
        what = "is mirrored, and is said to be outside" if outside else "is mirrored by nothing"
        raise ExtensionError(f"{key} {what}")
    errnos = dict.fromkeys(re.findall(r"\bE[A-Z0-9]{2,}\b", item["says"]))
    return blocks(
        f".. _rule-{key}:\n\n.. rubric:: {key}\n",
        prose(item["says"]),
        parts.terms({
            "Refusals": [", ".join(f"``{name}``" for name in errnos)] if errnos else [],
            "Versions": [escaped(item["versions"])] if "versions" in item else [],
            f"Linux {LINUX}": [f"``{at.split()[0]}``: `{at.split()[1]}`" for at in item["at"]],
            "Not in the specification": [escaped(outside)] if outside else [],
            "Mirrored by": [", ".join(mirrored)] if mirrored else [],
        }),
    )  # fmt: skip


class Documents(SphinxDirective):
    """The documents, each with its patches."""

    def run(self) -> list[nodes.Node]:
        """A definition and a table for each."""
        found = mirrors(self)
        shown = [document(number, found) for number in provenance.documents()]
        return parsed(self, blocks(*shown))


def document(number: str, found: Mirrors) -> str:
    """A document: what it is, where it was posted, what became of it, its patches."""
    item = provenance.documents()[number]
    message = item.get("message", "")
    posted = f"`{message} <{MESSAGE}{message}/>`__, which is {item['of']}" if message else ""
    rows = [
        patch(number, name.partition(" ")[2], found)
        for name in provenance.patches()
        if name.startswith(f"{number} ")
    ]
    return blocks(
        f".. _document-{number}:\n\n.. rubric:: {number}: {escaped(item['title'])}\n",
        prose(item["about"]),
        parts.terms({
            "Posted": [escaped(f"{item['version']}; {item['by']}; {item['date']}")],
            "Message-ID": [posted] if posted else [],
            "Became": [escaped(item["became"])],
            "Commits": [commits(item["commits"])] if "commits" in item else [],
        }),
        table(("patch", "title and files", "functions", "mirrored by"), rows, "10 40 25 25"),
    )  # fmt: skip


def patch(number: str, name: str, found: Mirrors) -> tuple[str, ...]:
    """A patch as a row; of its functions those that the specification names."""
    item = provenance.patches()[f"{number} {name}"]
    named = sorted({
        source.function
        for source in found.by_source
        if (source.document, source.patch) == (number, name) and source.function
    })  # fmt: skip
    return (
        f".. _patch-{number}-{name}:\n\n{number} {name}",
        blocks(escaped(item["title"]), ", ".join(f"``{file}``" for file in item["files"])),
        lines(f"``{function}``" for function in named) or parts.NOTHING,
        lines(found.of(number, name)) or parts.NOTHING,
    )


class Functions(SphinxDirective):
    """The functions of Linux, or with the argument ``qemu`` of QEMU, that anything here names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A row for each, by file and name."""
        found = mirrors(self)
        rows = linux(found) if self.arguments[0] == "linux" else qemu(found)
        return parsed(self, table(("function", "where", "mirrored by"), rows, "34 32 34"))


def linux(found: Mirrors) -> Iterable[tuple[str, ...]]:
    """The functions that the rules of the kernel are in."""
    at: dict[str, list[str]] = {}
    for key, item in provenance.rules().items():
        for place in item["at"]:
            at.setdefault(place, []).append(key)
    for place, keys in sorted(at.items()):
        file, name = place.split()
        mirrored = sorted({one for key in keys for one in found.of("kernel", key)})
        yield f"``{name}``", blocks(f"``{file}``", ", ".join(keys)), ", ".join(mirrored) or "--"


def qemu(found: Mirrors) -> Iterable[tuple[str, ...]]:
    """The functions of patches, and of QEMU as it was read, that the specification names."""
    at: dict[str, dict[str, list[str]]] = {}
    for source, mirrored in found.by_source.items():
        if source.document not in ("kernel", "defects") and source.function:
            place = source.patch if source.document == "qemu" else str(patch_of(source))
            at.setdefault(source.function, {})[place] = mirrored
    for name, places in sorted(at.items()):
        mirrored = sorted({one for those in places.values() for one in those})
        where = ", ".join(f"``{one}``" if "." in one else one for one in sorted(places))
        yield f"``{name}``", where, ", ".join(mirrored)


def patch_of(source: Source) -> Source:
    """A source without its function."""
    return Source(source.document, source.patch, "")


def commits(items: Iterable[str]) -> str:
    """Links to commits, each given as ``qemu HASH`` or ``linux HASH``."""
    return ", ".join(commit(*item.split()) for item in items)


def commit(project: str, name: str) -> str:
    """A link to a commit."""
    if project not in COMMITS or not re.fullmatch("[0-9a-f]{10,40}", name):
        raise ExtensionError(f"{project} {name} is no commit of QEMU or Linux")
    return f"`{name} <{COMMITS[project]}{name}>`__"
