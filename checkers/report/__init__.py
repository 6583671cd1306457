"""Results for people (a table) and for machines (JSON, JUnit, TAP), and the manifests."""

from checkers.report.formats import document, junit, tap
from checkers.report.manifest import MANIFEST, expectation, judged, manifest
from checkers.report.row import Row, Status, said, status
from checkers.report.table import headline, traces_text, verdicts, verdicts_of_variants

__all__ = [
    "MANIFEST",
    "Row",
    "Status",
    "document",
    "expectation",
    "headline",
    "judged",
    "junit",
    "manifest",
    "said",
    "status",
    "tap",
    "traces_text",
    "verdicts",
    "verdicts_of_variants",
]
