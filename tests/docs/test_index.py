"""The index of what the specification names: rules, documents, patches; and how it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError
from viommu_spec import provenance, threads
from viommu_spec.ids import IDS, target
from viommu_spec.index import Mirrors, rule

from checkers.machines import registry, variants
from checkers.real.linux.selftest import table
from spec.language import Source
from tests.docs import toys

THREAD = """Cover letter.
* [PATCH v2 01/21] spam: Add eggs_new()
From: Somebody
Whoever calls eggs_boil() gets none.
---
diff --git a/spam.c b/spam.c
--- a/spam.c
+++ b/spam.c
@@ -1,2 +1,3 @@ static int spam_realize(void)
 not_changed(1);
-old_call(uint32_t (x));
+eggs_new(2);
diff --git a/spam.h b/spam.h
+int eggs_new(int size);
^ permalink thread* Re: [PATCH v2 01/21] spam: Add eggs_new()
+eggs_replied(3);
* [PATCH v2 02/21] spam: Nothing
"""


def test_every_rule_has_functions_and_begins_as_a_sentence() -> None:
    for key, item in provenance.rules().items():
        assert set(item) <= {*provenance.Rule.__annotations__}, key
        assert re.fullmatch(r"[A-Z0-9].*\.", item["says"]), key
        assert item["at"], key
        for place in item["at"]:
            assert re.fullmatch(r"drivers/(?:iommu|vfio)/[\w/-]+\.c [a-z_]\w+", place), key


def test_every_rule_is_mirrored_or_has_a_reason() -> None:
    found = Mirrors(list(registry().values()), list(variants().values()))
    assert found.whole
    for key, item in provenance.rules().items():
        assert f".. _rule-{key}:" in rule(key, item, found.of("kernel", key), found.whole)


def test_a_rule_with_neither_or_both_is_an_error() -> None:
    item: provenance.Rule = {"says": "No: EINVAL, or ENOENT.", "at": ["drivers/iommu/iommu.c no"]}
    assert ":Refusals: ``EINVAL``, ``ENOENT``" in rule("R9.1", item, ["`f`"], True)
    with pytest.raises(ExtensionError, match=r"R9\.1 is mirrored by nothing"):
        rule("R9.1", item, [], True)
    with pytest.raises(ExtensionError, match=r"R9\.1 is mirrored, and is said to be outside"):
        rule("R9.1", {**item, "outside": "no"}, ["`f`"], True)


def test_a_book_of_toys_mirrors_no_kernel() -> None:
    assert not Mirrors(*toys.load()).whole


def test_a_rule_lists_what_mirrors_it() -> None:
    found = Mirrors(list(registry().values()), list(variants().values()))
    shown = " ".join(found.of("kernel", "R7.6"))
    assert "action-iommufd-objects-replace" in shown
    assert "fn-spec.iommufd.uapi" in shown
    assert "variant-uapi-stranger-replaces" in shown


def test_every_document_has_its_patches() -> None:
    patches = [*provenance.patches()]
    assert {name.partition(" ")[0] for name in patches} == {*provenance.documents()}
    for number, count, first in (("001", 37, "01/37"), ("002", 22, "00/21")):
        own = [name for name in patches if name.startswith(f"{number} ")]
        assert (len(own), own[0]) == (count, f"{number} {first}")


def test_the_rows_of_the_selftest_are_of_the_tests_that_are_run_in_the_kernel() -> None:
    of_all = provenance.table(provenance.FOLDER / "selftest.toml")["tests"]
    for test, rows in table().rows.items():
        assert {*rows} <= {*of_all[test]}, test


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("kernel R7.5, R0.10.", ["rule-r7.5", "rule-r0.10"]),
        ("001 12/37 and 15/21", ["patch-001-12/37", "patch-002-15/21"]),
        ("S-01, C-14, K-28 and V-20b", ["defect-s-01", "defect-c-14", "defect-k-28"]),
        ("of 002, or 003 v1", ["document-002", "patch-003-v1"]),
        ("0.001 s, R1.2.3, GS-01, S-011, 12/37/1, /12/38", []),
    ],
)
def test_ids_are_found_in_text(text: str, labels: list[str]) -> None:
    assert [target(found) for found in IDS.finditer(text)] == labels


def test_a_thread_is_read_for_files_and_functions() -> None:
    (_, first, text), (name, second, _) = threads.patches("002", THREAD)
    assert first == {
        "title": "spam: Add eggs_new()",
        "files": ["spam.c", "spam.h"],
        "functions": ["eggs_new", "old_call", "spam_realize"],
    }
    assert "eggs_replied" in text
    assert (name, second["files"]) == ("02/21", [])


def test_what_is_mentioned_besides_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    (key, first, text), _ = threads.patches("002", THREAD)

    def mirrored() -> None: ...

    monkeypatch.setattr(threads, "everything", lambda: [mirrored])
    monkeypatch.setattr(mirrored, "__sources__", (Source("002", key, "eggs_boil"),), raising=False)
    assert threads.mentions("002", key, first, text) == ["eggs_boil"]
    monkeypatch.setattr(mirrored, "__sources__", (Source("002", key, "eggs_fry"),))
    with pytest.raises(SystemExit, match="002 01/21 eggs_fry: the document does not have this"):
        threads.mentions("002", key, first, text)


def test_a_function_that_the_kernel_does_not_have_is_named(tmp_path: Path) -> None:
    file, name = provenance.rules()["R7.11"]["at"][0].split()
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(f"static int {name}(void)\n{{\n")
    unknown = list(threads.unknown(tmp_path))
    assert not [line for line in unknown if line.startswith("R7.11:")]
    assert "R7.5: drivers/iommu/iommufd/device.c has no iommufd_hw_pagetable_attach" in unknown
