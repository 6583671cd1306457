"""The kernel and what runs in it, built once for each source, configuration and compiler."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkers.real.linux.boot import QEMU
from checkers.real.linux.kernel_source import Source
from checkers.real.shell import answer, cache, need, run
from checkers.userfiles import InputError

HERE: Final = Path(__file__).parent
GUEST: Final = HERE / "guest"
CONFIG: Final = HERE / "kernel.config"
PROGRAMS: Final = {
    QEMU: "qemu-system-x86", "make": "make", "cc": "gcc", "flex": "flex", "bison": "bison",
    "bc": "bc", "perl": "perl",
}  # fmt: skip
HEADERS: Final = {"gelf.h": "libelf-dev", "openssl/ssl.h": "libssl-dev"}
INIT: Final = (
    "init.c", "calls.c", "ioctls.c", "memory.c", "files.c", "batch.c", "module.c", "vfio.c",
    "selftest.c",
)  # fmt: skip
FILES: Final = ("vmlinux", "init", "viommu_mock.ko")
SELFTEST: Final = ("tap", "iommufd", "iommufd_fail_nth")
"""What stands in place of init to run the kernel's own selftest, and its programs."""


@dataclass(frozen=True)
class Image:
    """What is booted, with which files; with which others for the selftest of the kernel.

    `about` says what it was made of.
    """

    vmlinux: Path
    files: Mapping[str, bytes]
    selftest: Mapping[str, bytes]
    about: str


def ready(folder: Path, about: str = "") -> Image:
    """The image in a folder; `InputError` if it is none."""
    for name in (*FILES, *SELFTEST):
        if not (folder / name).is_file():
            raise InputError(f"--kernel {folder}: has no {name}")
    version = folder / "version"
    about = about or (version.read_text().strip() if version.is_file() else "Linux")
    files = {name: (folder / name).read_bytes() for name in (*FILES[1:], *SELFTEST)}
    selftest = {name.replace("tap", "init"): files.pop(name) for name in SELFTEST}
    return Image(folder / "vmlinux", files, selftest, about)


def image(source: Source) -> Image:
    """The image of a source, built if it is not there yet."""
    need(PROGRAMS)
    _need_headers()
    kernel = cache("linux") / "kernel" / _key(source)
    kernel.mkdir(parents=True, exist_ok=True)
    with _alone(kernel):
        vmlinux = _kernel(source, kernel)
        folder = kernel / f"image-{_digest(*_guest_texts(), vmlinux.read_bytes())}"
        if not (folder / "version").is_file():
            _programs(source, kernel, folder)
    return ready(folder)


def _key(source: Source) -> str:
    """What tells kernels apart: a tree that is being worked on is built where it was built."""
    compiler = answer(["cc", "--version"]).partition("\n")[0]
    place = source.version if source.fixed else str(source.folder)
    return f"{source.version}-{_digest(CONFIG.read_bytes(), compiler.encode(), place.encode())}"


def _digest(*texts: bytes) -> str:
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


def _guest_texts() -> list[bytes]:
    files = sorted(file for file in GUEST.rglob("*") if file.is_file())
    return [text for file in files for text in (file.name.encode(), file.read_bytes())]


def _kernel(source: Source, folder: Path) -> Path:
    """The kernel, as an ELF file that QEMU boots without firmware."""
    build, log, vmlinux = folder / "build", folder / "build.log", folder / "build/vmlinux"
    done = folder / "built"
    if source.fixed and done.is_file():
        return vmlinux
    build.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    make = _make(source, build)
    run([*make, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], log)
    _must_have(build / ".config", source)
    run([*make, f"-j{os.cpu_count() or 1}", "vmlinux", "modules", "headers"], log)
    done.touch()
    return vmlinux


def _make(source: Source, build: Path) -> list[str]:
    return ["make", "-s", "-C", str(source.folder), f"O={build}"]


def _must_have(config: Path, source: Source) -> None:
    """`InputError` if the kernel has not all that was asked of it."""
    has = set(config.read_text().splitlines())
    wanted = [line for line in CONFIG.read_text().splitlines() if line.startswith("CONFIG_")]
    missing = [line for line in wanted if line not in has]
    if missing:
        raise InputError(f"Linux {source.version} cannot have {', '.join(missing)}")


def _programs(source: Source, kernel: Path, folder: Path) -> None:
    """Our own part: the program that makes calls, and the module with the mock driver."""
    build, log, work = kernel / "build", kernel / "guest.log", folder / "guest"
    log.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(GUEST, work)
    run([*_make(source, build), f"M={work / 'mock'}", "modules"], log)
    headers = (build / "usr/include", source.folder / "drivers/iommu/iommufd")
    compile_guest(work, INIT, folder / "init", log, headers)
    compile_guest(work, ("tap.c",), folder / "tap", log, headers)
    _selftest(source, work / "libcap", build, folder, log)
    run(["strip", "-o", folder / "vmlinux", build / "vmlinux"], log)
    (work / "mock/viommu_mock.ko").rename(folder / "viommu_mock.ko")
    (folder / "version").write_text(f"Linux {source.version}\n")


def _selftest(source: Source, libcap: Path, build: Path, folder: Path, log: Path) -> None:
    """The programs of the kernel's own selftest, where they lie."""
    tests = source.folder / "tools/testing/selftests"
    headers = ["-isystem", str(build / "usr/include"), f"-I{libcap}", f"-I{tests}"]
    command = ["cc", "-O2", "-static", "-D_GNU_SOURCE", *headers, "-o"]
    for name in SELFTEST[1:]:
        run([*command, folder / name, tests / "iommu" / f"{name}.c"], log)


def compile_guest(
    folder: Path, files: tuple[str, ...], program: Path, log: Path, headers: Sequence[Path] = ()
) -> None:
    """Compile C files of the guest into a program, warnings being errors."""
    system = [word for path in headers for word in ("-isystem", str(path))]
    sources = [str(folder / file) for file in files]
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", *system, f"-I{folder}"]
    run([*command, *(["-static"] if headers else []), "-o", str(program), *sources], log)


def _need_headers() -> None:
    """`InputError` if the kernel's own tools cannot be built."""
    missing = [
        package
        for header, package in HEADERS.items()
        if not answer(["cc", "-E", "-include", header, "-x", "c", "/dev/null"])
    ]
    if missing:
        raise InputError(f"headers not found; on Debian: apt-get install {' '.join(missing)}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else builds in this folder meanwhile."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
