"""Writes the index of patches anew from the threads, where one has them.

``PYTHONPATH=docs/_ext python -m viommu_spec.threads FOLDER [--check]``: FOLDER has the documents as
text files whose names begin with their numbers. The index has no sentence of them: titles, files,
functions, and of other names those that the specification mentions. With ``--check`` nothing is
written, and the status is 1 if the index, or a section of memory that somebody printed, is
otherwise than in the documents. With ``--linux SOURCE`` it is the functions of the kernel's rules
that are looked for, in that source.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from spec.language import Source
from spec.language.machine import sources_of
from spec.memory.map import load
from viommu_spec.provenance import FOLDER, Patch, documents, everything, rules

HEAD = re.compile(r"(?:^|(?<=thread))\* \[PATCH [^\]]*?(\d\d/\d\d)\] (.*)$", re.MULTILINE)
REPLY = re.compile(r"(?:^|(?<=thread))\* Re: ", re.MULTILINE)
CALLED = re.compile(r"\b([a-zA-Z_]\w{3,})\s*\(")
PRINTED = re.compile(
    r"^vfio_listener_region_add, section->mr->name: ([\w.-]+), iova: ?\s*([0-9a-f]+), "
    r"size: ?\s*([0-9a-f]+), vaddr: \w+, RO",
    re.MULTILINE,
)
TYPES = re.compile(r"u?int\d+_t|size_t")
ABOUT = "# Written by viommu_spec.threads from the documents: what each patch touches.\n"


def patches(number: str, text: str) -> Iterator[tuple[str, Patch, str]]:
    """Each patch of a document by its id, with the text in which its names are looked for."""
    whole = documents()[number].get("whole")
    if whole:
        yield whole["patch"], patch(whole["title"], text), text
        return
    heads = [*HEAD.finditer(text)]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=True):
        own = text[head.start() : end]
        yield head[1], patch(head[2].strip(), own), own


def patch(title: str, text: str) -> Patch:
    """The files and functions of a patch: those that lines which it changes, or near them, call."""
    reply = REPLY.search(text)
    own = text[: reply.start()] if reply else text
    _, found, diff = own.partition("diff --git ")
    lines = (found + diff).split("\n")
    files = [line.split(" b/")[-1] for line in lines if line.startswith("diff --git ")]
    changed = [line[1:] for line in lines if re.match(r"[+-](?!\+\+ |-- )", line)]
    changed += [line for line in lines if line.startswith("@@ ")]
    named = {name for line in changed for name in CALLED.findall(line) if "_" in name}
    functions = sorted(name for name in named if not TYPES.fullmatch(name))
    return {"title": title, "files": files, "functions": functions}


def mentions(number: str, key: str, found: Patch, text: str) -> list[str]:
    """What the specification names of a patch besides its functions; it has to be there."""
    names = {
        source.function
        for function in everything()
        for source in sources_of(function)
        if (source.document, source.patch) == (number, key) and source.function
    }
    for name in names:
        if not re.search(rf"\b{re.escape(name)}\b", text):
            raise SystemExit(f"{Source(number, key, name)}: the document does not have this name")
    return sorted(names - {*found["functions"]})


def written(folder: Path) -> str:
    """The index as it should be."""
    parts = [ABOUT]
    for number in documents():
        (path,) = folder.glob(f"{number}_*.txt")
        for key, found, text in patches(number, path.read_text(encoding="utf-8")):
            more = mentions(number, key, found, text)
            if more:
                found["mentions"] = more
            parts.append(f'["{number} {key}"]\n' + "".join(map(field, found.items())))
    return "\n".join(parts)


def field(item: tuple[str, object]) -> str:
    """A field of a patch, a list with as many items to a line as there is room for."""
    name, value = item
    line = f"{name} = {json.dumps(value, ensure_ascii=False)}\n"
    if len(line) <= 100 or not isinstance(value, list):
        return line
    lines = ["   "]
    for entry in value:
        if len(lines[-1]) + len(entry) > 94:
            lines.append("   ")
        lines[-1] += f' "{entry}",'
    return f"{name} = [\n" + "\n".join(lines) + "\n]\n"


def sections(folder: Path) -> str:
    """What is wrong with the read-only sections that somebody printed; empty if nothing."""
    (path,) = folder.glob("002_*.txt")
    printed = PRINTED.findall(path.read_text(encoding="utf-8"))
    mine = [(x.name, f"{x.iova:x}", f"{x.size:x}") for x in load().extents if x.printed]
    theirs = sorted((name, f"{int(at, 16):x}", f"{int(size, 16):x}") for name, at, size in printed)
    return "" if sorted(mine) == theirs else "the printed sections of memory differ from 002"


def unknown(source: Path) -> Iterator[str]:
    """The functions of the kernel's rules that are not where they are said to be."""
    for key, rule in rules().items():
        for place in rule["at"]:
            file, name = place.split()
            path = source / file
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if not re.search(rf"^(?![\s#/*]).*\b{name}\(", text, re.MULTILINE):
                yield f"{key}: {file} has no {name}"


def main() -> None:
    """Write the index, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true", help="write nothing, and compare")
    parser.add_argument("--linux", type=Path, help="look for the functions of rules in this source")
    arguments = parser.parse_args()
    if arguments.linux:
        sys.exit("\n".join(unknown(arguments.linux)) or None)
    if not arguments.folder:
        parser.error("a folder with the documents, or --linux SOURCE")
    path = FOLDER / "patches.toml"
    text = written(arguments.folder)
    wrong = sections(arguments.folder)
    if not arguments.check:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        wrong = wrong or f"{path.name} is not what the documents have: run without --check"
    sys.exit(wrong or None)


if __name__ == "__main__":
    main()
