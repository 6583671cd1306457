"""Pieces of reStructuredText: headings, tables, code, and prose that means what it says."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

MARKS = "=-~^"


def heading(text: str, level: int, label: str = "") -> str:
    """A heading of level 0 (the page) to 3, with a target for links."""
    target = f".. _{label}:\n\n" if label else ""
    shown = escaped(text)
    return f"{target}{shown}\n{MARKS[level] * len(shown)}\n"


def link(text: str, label: str) -> str:
    """A link to a heading of any page."""
    return f":ref:`{text} <{label}>`"


def code(text: str, language: str = "python", caption: str = "") -> str:
    """A highlighted block."""
    option = f"   :caption: {caption}\n" if caption else ""
    return f".. code-block:: {language}\n{option}\n{textwrap.indent(text.rstrip(), '   ')}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "auto") -> str:
    """A table with a head; cells are reStructuredText of any length. Empty without rows."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    body = list(rows)
    for row in [head, *body]:
        for index, cell in enumerate(row):
            lead = "   * - " if index == 0 else "     - "
            lines.append(lead + textwrap.indent(cell.rstrip(), " " * 7).lstrip())
    return "\n".join(lines) + "\n" if body else ""


def bullets(items: Iterable[str]) -> str:
    """A list; empty without items."""
    return "".join(f"* {item}\n" for item in items)


def prose(text: str | None) -> str:
    """A docstring as paragraphs and lists; only its `code` keeps a meaning."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs) + "\n"


def escaped(text: str) -> str:
    """One line of text in which only `code` and ``code`` are marked up."""
    parts = re.split(r"(``.+?``|`[^`]+`)", " ".join(text.split()))
    return "".join(
        f"``{part.strip('`')}``" if index % 2 else re.sub(r"([\\*`|_])", r"\\\1", part)
        for index, part in enumerate(parts)
    )


def blocks(*parts: str) -> str:
    """Parts of a page, those that are not empty, with a blank line between them."""
    return "\n".join(part if part.endswith("\n") else part + "\n" for part in parts if part.strip())


def _paragraph(text: str) -> str:
    items = re.split(r"\n?^\s*[-*] ", text, flags=re.MULTILINE)
    lead = escaped(items[0]) + "\n" if items[0].strip() else ""
    listed = "\n".join(f"* {escaped(item)}" for item in items[1:])
    return "\n".join(part for part in (lead, listed) if part)
