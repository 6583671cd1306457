"""The book: Sphinx reads this. Nothing here needs a network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "viommu-spec"
author = "the viommu-spec authors"
extensions = ["sphinx.ext.autodoc", "viommu_spec"]
exclude_patterns = ["_build", "_ext"]
default_role = "code"
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(collections|enum|typing|spec|[FPRT]\b|Function).*")]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = "viommu-spec"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
