"""Directives that compute at build time: a Python session, the text of a function."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

import spec
from spec.language.machine import sources_of
from viommu_spec import parts, reading
from viommu_spec.rst import blocks, code, escaped

ROOMS = ("spec", "invariants", "checkers")


def depends_on_specification(env: BuildEnvironment) -> None:
    """The page is read again when any text that it may have computed with has changed."""
    root = Path(spec.__file__).parents[1]
    for room in ROOMS:
        for path in (root / room).rglob("*.py"):
            env.note_dependency(str(path))


def parsed(directive: SphinxDirective, text: str) -> list[nodes.Node]:
    """The nodes of a piece of reStructuredText, in place of a directive."""
    lines = StringList(text.split("\n"), directive.get_source_info()[0])
    box = nodes.container()
    directive.state.nested_parse(lines, directive.content_offset, box)
    return list(box.children)


class Session(SphinxDirective):
    """Runs Python when the page is read and shows it with what it prints, as a terminal would.

    The sessions of a page share their names. With ``:output: LANGUAGE`` only what is printed is
    shown. An exception is an error of the page.
    """

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"output": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Run, and show."""
        depends_on_specification(self.env)
        names: Any = self.env.temp_data.setdefault("viommu_spec_session", {})
        text = "\n".join(self.content)
        try:
            taken = list(steps(text, names))
        except Exception as error:
            raise self.error(f"session: {type(error).__name__}: {error}") from error
        language = self.options.get("output", "pycon")
        if "output" in self.options:
            shown = "".join(printed for _, printed in taken)
        else:
            shown = "".join(prompted(source) + printed for source, printed in taken)
        return [nodes.literal_block(shown, shown.rstrip(), language=language)]


def steps(text: str, names: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each statement with what it prints; a bare expression prints its value, unless it is None."""
    for node in ast.parse(text).body:
        printed = io.StringIO()
        program = compile(ast.Interactive([node]), "<session>", "single")
        with contextlib.redirect_stdout(printed):
            exec(program, names)
        yield ast.get_source_segment(text, node) or "", printed.getvalue()


def prompted(source: str) -> str:
    """A statement with the prompts of Python."""
    first, *more = source.split("\n")
    lines = [f">>> {first}", *(f"... {line}".rstrip() for line in more)]
    closing = ["..."] if source.startswith(("for ", "if ", "with ", "def ")) else []
    return "\n".join([*lines, *closing]) + "\n"


class FunctionText(SphinxDirective):
    """The docstring, provenance and text of a function: ``.. function-text:: MODULE:FUNCTION``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Show it as the pages of machines do."""
        depends_on_specification(self.env)
        module, _, name = self.arguments[0].partition(":")
        function = getattr(importlib.import_module(module), name)
        mirrored = [escaped(str(item)) for item in sources_of(function)]
        shown = blocks(parts.terms({"Mirrors": mirrored}), code(reading.source(function)))
        return parsed(self, shown)
