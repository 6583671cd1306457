"""A text as a module, in a file, for a machine is read from its source."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spec.language import Program, build


@contextmanager
def loaded(text: str, room: Path | None = None) -> Iterator[list[Program]]:
    """The programs of the text of a module: its machine, and that with its variant if it has one.

    Whatever is wrong with the text is raised as Python or the language has it.
    """
    with tempfile.TemporaryDirectory() as own:
        name = f"random_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        path = Path(room or own) / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            programs = [build(module.MACHINE, "small")]
            if module.VARIANT is not None:
                programs.append(build(module.MACHINE, "small", module.VARIANT))
            yield programs
        finally:
            del sys.modules[name]
