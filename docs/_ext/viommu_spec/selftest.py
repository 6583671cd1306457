"""The kernel's own selftest, row by row, as the tests of the specification run it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from viommu_spec import provenance
from viommu_spec.findings import lines
from viommu_spec.rst import blocks, escaped, table
from viommu_spec.session import parsed


class Selftest(SphinxDirective):
    """A table for each test of the kernel's selftest: the file's steps, or why there are none."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The tables, in the order of the numbers."""
        name, path = self.env.relfn2path(self.arguments[0])
        own = provenance.FOLDER / "selftest.toml"
        for file in (name, str(own)):
            self.env.note_dependency(file)
        steps, index = (tomllib.loads(Path(file).read_text()) for file in (path, own))
        shown = [
            blocks(f".. rubric:: {test}\n", table(("row", "steps"), rows(numbers, steps, index)))
            for test, numbers in index["tests"].items()
        ]
        return parsed(self, blocks(*shown))


def rows(numbers: list[int], steps: dict[str, Any], index: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of one test."""
    reasons = {row: why for why, rows in steps["inexpressible"].items() for row in rows}
    found = []
    for number in numbers:
        taken = steps["rows"].get(str(number))
        if taken:
            shown = lines(f"``{step}``" for step in taken)
        else:
            asks = escaped(index["asks"][str(number)])
            shown = blocks(asks, f"Not asked: {escaped(reasons[number])}.")
        found.append((str(number), shown))
    return found
