"""Results for people (a table) and for machines (JSON, JUnit, TAP), and the manifests."""

from checkers.report.formats import document, junit, tap
from checkers.report.manifest import MANIFEST, expectation, manifest
from checkers.report.row import Row, Status, said, status
from checkers.report.table import details, traces_text, verdicts

__all__ = [
    "MANIFEST",
    "Row",
    "Status",
    "details",
    "document",
    "expectation",
    "junit",
    "manifest",
    "said",
    "status",
    "tap",
    "traces_text",
    "verdicts",
]
