"""Results for people (a table) and for machines (JSON, JUnit, TAP), and the manifests."""

from checkers.report.formats import document, junit, tap
from checkers.report.manifest import MANIFEST, expectation, judged, manifest
from checkers.report.row import Row, Status, said, status
from checkers.report.summary import by_engine, line, needs_more, total, variants_line
from checkers.report.table import headline, traces_text, verdicts, verdicts_of_variants

__all__ = [
    "MANIFEST",
    "Row",
    "Status",
    "by_engine",
    "document",
    "expectation",
    "headline",
    "judged",
    "line",
    "needs_more",
    "junit",
    "manifest",
    "said",
    "status",
    "tap",
    "total",
    "traces_text",
    "variants_line",
    "verdicts",
    "verdicts_of_variants",
]
