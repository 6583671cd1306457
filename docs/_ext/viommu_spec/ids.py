"""Each id of a rule, a patch, a document or a defect in the text of a page becomes a link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

IDS = re.compile(
    r"(?<![\w.-])(?:"
    r"(?P<rule>R\d+\.\d+)"
    r"|(?P<defect>[SVCK]-\d\d)"
    r"|(?:(?P<number>00[0-4])\s)?(?P<patch>\d\d/(?:20|21|33|37))"
    r"|003\s(?P<cover>v1)"
    r"|(?P<document>00[0-4])"
    r")(?![\w/]|\.\d)"
)
SERIES = {"20": "000", "21": "002", "33": "004", "37": "001"}
"""Of how many patches a document is, where a patch is named without it: 15/21 is of 002."""

SILENT = (
    nodes.FixedTextElement, nodes.literal, nodes.reference, nodes.title, nodes.rubric, nodes.raw,
    addnodes.pending_xref, addnodes.desc_signature,
)  # fmt: skip


def target(found: re.Match[str]) -> str:
    """The label of what an id names."""
    if found["rule"]:
        return f"rule-{found['rule'].lower()}"
    if found["defect"]:
        return f"defect-{found['defect'].lower()}"
    if found["patch"]:
        number = found["number"] or SERIES[found["patch"].partition("/")[2]]
        return f"patch-{number}-{found['patch']}"
    return "patch-003-v1" if found["cover"] else f"document-{found['document']}"


class Links(SphinxTransform):
    """Puts the links in; an id that nothing is known of is a warning, as any link to nothing."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Replace each text that has ids."""
        for text in list(self.document.findall(nodes.Text)):
            if IDS.search(text) and not silent(text):
                text.parent.replace(text, list(self.pieces(text)))

    def pieces(self, text: nodes.Text) -> Iterator[nodes.Node]:
        """The text with its ids as links, apart from that of the place itself."""
        end = 0
        for found in IDS.finditer(text):
            yield nodes.Text(text[end : found.start()])
            own = nodes.make_id(target(found)) in text.parent["ids"]
            yield nodes.Text(found[0]) if own else self.link(found)
            end = found.end()
        yield nodes.Text(text[end:])

    def link(self, found: re.Match[str]) -> addnodes.pending_xref:
        """A link that is resolved when all pages are read."""
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="ref", reftarget=target(found), refexplicit=True,
            refwarn=True, refdoc=self.env.docname,
        )  # fmt: skip
        link += nodes.inline(found[0], found[0], classes=["std", "std-ref"])
        return link


def silent(text: nodes.Text) -> bool:
    """Whether a text is code, a heading, or a link already."""
    above = text.parent
    while above is not None:
        if isinstance(above, SILENT):
            return True
        above = above.parent
    return False
