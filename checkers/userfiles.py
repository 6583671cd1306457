"""Reads Python files of the user's, whatever they do when they are read."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import stat
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from checkers.watch import LimitMetError, patience, watching
from spec.language import LanguageError

READING: Final = 30.0
"""Seconds in which a file must have been read."""


class InputError(Exception):
    """What the user gave is wrong; `str()` of it is one line that says what and where."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """What is wrong with the input in this block is so at this place."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def module(path: str) -> ModuleType:
    """A user's file, imported by the name by which its neighbours would import it.

    What it prints goes to stderr. If it does not come to its end, that is an `InputError`.
    """
    file = regular(path)
    late = f"{path}: is not read after {READING:g} s: does it loop?"
    try:
        with _apart(path), watching(patience(READING, late)):
            return _imported(file)
    except (InputError, KeyboardInterrupt):
        raise
    except LimitMetError as error:
        raise InputError(str(error)) if str(error) == late else error from None
    except LanguageError as error:
        raise InputError(str(error)) from error
    except SyntaxError as error:
        where = f"{error.filename or path}:{error.lineno or 0}"
        raise InputError(f"{where}: {error.msg}") from error
    except SystemExit as error:
        raise InputError(f"{_where(path, file, error)}: ends the program when it is read") from None
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(f"{_where(path, file, error)}: {why}") from error


def regular(path: str) -> Path:
    """The file of that name, if it is one that can be read to its end; else `InputError`."""
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISREG(kind):
            return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{path}: {why or error}") from error
    raise InputError(f"{path}: {'Is a directory' if stat.S_ISDIR(kind) else 'not a regular file'}")


@contextlib.contextmanager
def _apart(path: str) -> Iterator[None]:
    """Let the file have no part in what this program prints."""
    printed, streams = io.StringIO(), (sys.stdout, sys.stderr)
    before = [_identity(number) for number in (1, 2)]
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        sys.stdout, sys.stderr = streams
        if not printed.closed and printed.getvalue() and not sys.stderr.closed:
            sys.stderr.write(printed.getvalue())
    if [_identity(number) for number in (1, 2)] != before or any(x.closed for x in streams):
        raise InputError(f"{path}: closes stdout or stderr when it is read")


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _where(path: str, file: Path, error: BaseException) -> str:
    """The file and the last of its lines that led to an error."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == file
    ]
    return f"{path}:{lines[-1]}" if lines else path


def _imported(file: Path) -> ModuleType:
    """The module of a file; once for each file, so that a function has one identity."""
    root, names = file.parent, [file.stem]
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    name = ".".join(names)
    spec = importlib.util.find_spec(name) if all(map(str.isidentifier, names)) else None
    if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file:
        return importlib.import_module(name)
    name = f"{file.stem}@{file.parent}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError("is not a Python file")
        sys.modules[name] = found = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(found)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
