from __future__ import annotations

import importlib.util
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docutils import nodes
from viommu_spec.ids import IDS, silent, target

from spec.language import Machine, Variant
from tests.docs import toys

ROOT = Path(__file__).resolve().parents[2]
Registry = tuple[list[Machine], list[Variant]]


def real() -> Registry:
    from checkers.machines import registry, variants

    return list(registry().values()), list(variants().values())


def place(tmp: Path) -> Path:
    """A copy of the book's sources beside the tests they include."""
    built = shutil.ignore_patterns("generated", "_build")
    shutil.copytree(ROOT / "docs", tmp / "docs", ignore=built)
    (tmp / "tests").symlink_to(ROOT / "tests")
    return tmp / "docs"


def sphinx(docs: Path, registry: str) -> subprocess.CompletedProcess[str]:
    """Build the book with warnings as errors, as `make docs` does."""
    options = ["-W", "--keep-going", "-q", "-b", "html", "-D", f"viommu_spec_registry={registry}"]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(docs), str(docs / "_build")],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("registry", "load"),
    [
        pytest.param("tests.docs.toys:load", toys.load, id="toys"),
        pytest.param("viommu_spec:load", real, id="specification"),
    ],
)
def test_each_machine_action_invariant_and_variant_is_in_the_book(
    tmp_path: Path, registry: str, load: Callable[[], Registry]
) -> None:
    machines, variants = load()
    docs = place(tmp_path)
    built = sphinx(docs, registry)
    assert (built.returncode, built.stderr) == (0, "")
    pages = docs / "_build" / "generated"
    for machine in machines:
        text = (pages / "machines" / f"{machine.name}.html").read_text()
        for action in machine.actions:
            assert f'id="action-{machine.name}-{action.__name__}"'.replace("_", "-") in text
        for name in machine.bounds:
            assert f"<p>{name}</p>" in text
        for rule in machine.invariants:
            assert f"../invariants/{rule.name}.html" in text
            assert (pages / "invariants" / f"{rule.name}.html").exists()
    for variant in variants:
        text = (pages / "variants" / f"{variant.name}.html").read_text()
        for original, override in variant.overrides.items():
            assert original.__name__ in text
            assert override.__name__ in text
    found = (docs / "_build" / "findings.html").read_text()
    for variant in variants:
        if variant.name.startswith("vtd-rfcv3"):
            assert f"generated/variants/{variant.name}.html" in found
            assert all(f"#invariant-{rule}\"" in found for rule in variant.expects)
    assert not list(ids_that_are_no_links(docs))
    if registry == "viommu_spec:load":
        walk_shows_what_each_engine_makes_of_the_action(docs)


def ids_that_are_no_links(docs: Path) -> Iterator[str]:
    """The ids of rules, patches and defects in running text that are no links."""
    trees = list((docs / "_build" / ".doctrees").rglob("*.doctree"))
    assert trees
    for path in trees:
        for text in pickle.loads(path.read_bytes()).findall(nodes.Text):
            for found in () if silent(text) else IDS.finditer(text):
                if nodes.make_id(target(found)) not in text.parent["ids"]:
                    yield f"{path.name}: {found[0]}"


def walk_shows_what_each_engine_makes_of_the_action(docs: Path) -> None:
    """The page that walks one action has what running, exploring, z3 and the trace make of it."""
    text = re.sub("<[^>]+>", "", (docs / "_build" / "walk.html").read_text())
    for shown in (
        "def vtd_device_attach_hwpt(",
        "! iommufd_cdev_attach_ioas_hwpt dev1 id=7 (-ENOMEM)",
        "(run *x, state *s, int vtd_as, ",
        "devices[1].attached: BitVec(4)",
        "no-leaked-object: violated, 4 steps",
        "&quot;ends&quot;: &quot;done&quot;",
    ):
        assert shown in text


def test_what_is_no_more_leaves_the_book(tmp_path: Path) -> None:
    docs = place(tmp_path)
    stale = docs / "generated" / "machines" / "gone.rst"
    stale.parent.mkdir(parents=True)
    stale.write_text("Gone\n====\n")
    assert sphinx(docs, "tests.docs.toys:load").returncode == 0
    assert not stale.exists()


def test_a_link_to_nothing_fails_the_build_and_so_does_an_id_of_nothing(tmp_path: Path) -> None:
    docs = place(tmp_path)
    with (docs / "language.rst").open("a") as page:
        page.write("\n:ref:`no-such-place`\n")
        page.write("\nBy R7.6, ``R7.98``, V-01 and 15/21, but not by R7.99 or 002 22/21.\n")
    built = sphinx(docs, "tests.docs.toys:load")
    assert built.returncode != 0
    unknown = re.findall(r"undefined label: '(.*?)'", built.stderr)
    assert unknown == ["no-such-place", "rule-r7.99", "patch-002-22/21"]
    text = (docs / "_build" / "language.html").read_text()
    for one in ("kernel-rules.html#rule-r7-6", "defects.html#defect-v-01"):
        assert f'href="{one}"' in text
    assert 'href="provenance.html#patch-002-15-21"' in text


def test_a_session_is_run_and_an_exception_in_it_fails_the_build(tmp_path: Path) -> None:
    docs = place(tmp_path)
    with (docs / "language.rst").open("a") as page:
        page.write("\n.. session::\n\n   seven = 3 + 4\n   for _ in range(2):\n       seven\n")
        page.write("\n.. session::\n   :output: text\n\n   print('printed', seven * 3)\n")
        page.write("\n.. session::\n\n   seven / 0\n")
    built = sphinx(docs, "tests.docs.toys:load")
    assert built.returncode != 0
    assert "session: ZeroDivisionError: division by zero" in built.stderr
    text = re.sub("<[^>]+>", "", (docs / "_build" / "language.html").read_text())
    assert "&gt;&gt;&gt; seven = 3 + 4\n" in text
    assert "...     seven\n...\n7\n7\n" in text
    assert "printed 21" in text
    assert "print(" not in text


def test_figures_guards_and_host_calls_are_printed(tmp_path: Path) -> None:
    docs = place(tmp_path)
    sphinx(docs, "tests.docs.toys:load")
    page = (docs / "generated" / "machines" / "refcount.rst").read_text()
    assert ":Enabled if: ``s.holders[holder].holds == NONE``" in page
    assert ":Parameters:" in page
    assert "   * ``fault``: which of the host calls is refused, or none\n" in page
    assert ":Host calls: ``heap_allocate  object={out} ({ret})``, refused with ``ENOMEM``" in page
    for figure in ("9", "28", "4"):
        assert f"     - {figure}\n" in page
    page = (docs / "generated" / "invariants" / "no-dangling.rst").read_text()
    assert ":ref:`frees-while-held <variant-frees-while-held>`" in page
    assert "     - 3\n" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a * b ** c_ |d| `e*` ``f_``", r"a \* b \*\* c\_ \|d\| ``e*`` ``f_``"),
        ("one\n  two\n", "one two"),
        ("stray ` tick", r"stray \` tick"),
    ],
)
def test_a_docstring_means_what_it_says(text: str, shown: str) -> None:
    spec = importlib.util.spec_from_file_location("rst", ROOT / "docs/_ext/viommu_spec/rst.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.prose(text).strip() == shown
