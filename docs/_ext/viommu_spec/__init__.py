"""Sphinx extension: the book's pages on machines, invariants and variants, from their text.

Pages are written below ``generated/`` when a build begins, those that changed only; nothing in them
is typed by hand. `viommu_spec_registry` is ``MODULE:FUNCTION``, a function like `load`. Directives
for the pages that are written: `session`, `function-text`, `findings`, `besides`, `defects`,
`machines-of`, `kernel-rules`, `documents`, `functions`, `selftest`. Ids of rules, patches and
defects are links.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from spec.language import Machine, Variant
from viommu_spec.defects import Defects
from viommu_spec.findings import Besides, Findings, registered
from viommu_spec.ids import Links
from viommu_spec.index import Documents, Functions, KernelRules
from viommu_spec.selftest import Selftest
from viommu_spec.session import FunctionText, Session
from viommu_spec.what import What

ROOM = "generated"


def load() -> tuple[list[Machine], list[Variant]]:
    """Every machine of the specification, with its invariants, and every posted variant."""
    from checkers.machines import registry, variants

    return list(registry().values()), list(variants().values())


def write_pages(app: Sphinx) -> None:
    """Write the generated pages, and remove those of what is no more."""
    from viommu_spec.pages import Book

    machines, variants = registered(app.config.viommu_spec_registry)
    room = Path(app.srcdir) / ROOM
    wanted = {room / f"{name}.rst": text for name, text in Book(machines, variants).pages().items()}
    for stale in set(room.rglob("*.rst")) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_config_value("viommu_spec_registry", "viommu_spec:load", "env")
    app.connect("builder-inited", write_pages)
    app.add_directive("session", Session)
    app.add_directive("function-text", FunctionText)
    app.add_directive("findings", Findings)
    app.add_directive("besides", Besides)
    app.add_directive("defects", Defects)
    app.add_directive("machines-of", What)
    app.add_directive("kernel-rules", KernelRules)
    app.add_directive("documents", Documents)
    app.add_directive("functions", Functions)
    app.add_directive("selftest", Selftest)
    app.add_transform(Links)
    return {"version": "1", "parallel_read_safe": True}
