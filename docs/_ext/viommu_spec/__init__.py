"""Sphinx extension: the book's pages on machines, invariants and variants, from their text.

Pages are written below ``generated/`` when a build begins, those that changed only; nothing in them
is typed by hand. `viommu_spec_registry` is ``MODULE:FUNCTION``, a function like `load`.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from spec.language import Machine, Variant

ROOM = "generated"


def load() -> tuple[list[Machine], list[Variant]]:
    """Every machine of the specification, with its invariants, and every posted variant."""
    from checkers.machines import registry, variants

    return list(registry().values()), list(variants().values())


def write_pages(app: Sphinx) -> None:
    """Write the generated pages, and remove those of what is no more."""
    from viommu_spec.pages import Book

    module, _, function = app.config.viommu_spec_registry.partition(":")
    machines, variants = getattr(importlib.import_module(module), function)()
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
    return {"version": "1", "parallel_read_safe": True}
