"""Writes package.json, which lists for `mip` what is in lib/: `python tools/package_json.py`.

With --check nothing is written, and the exit status is 1 where the file is not what it would be.
The addresses in it are relative, so a folder on disk and a repository at a tag both serve.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_JSON = ROOT / "package.json"


def library_files() -> list[str]:
    """Return every module of the library, relative to lib/, sorted."""
    lib = ROOT / "lib"
    return sorted(path.relative_to(lib).as_posix() for path in lib.rglob("*.py"))


def version() -> str:
    """Return the project's version: the one in pyproject.toml (read without tomllib: 3.11)."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise ValueError("pyproject.toml has no line `version = ...`")
    return found[1]


def wanted_text() -> str:
    """Return the text that package.json must have."""
    urls = [[name, f"lib/{name}"] for name in library_files()]
    lines = ",\n".join(f"    {json.dumps(pair)}" for pair in urls)
    number = json.dumps(version())
    return f'{{\n  "version": {number},\n  "deps": [],\n  "urls": [\n{lines}\n  ]\n}}\n'


def is_current() -> bool:
    """Tell whether package.json is what `wanted_text()` gives."""
    return PACKAGE_JSON.is_file() and PACKAGE_JSON.read_text(encoding="utf-8") == wanted_text()


def main() -> int:
    """Write package.json, or check it; return the exit status."""
    parser = argparse.ArgumentParser(description="Write package.json for mip from lib/.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where stale")
    arguments = parser.parse_args()
    if is_current():
        return 0
    if arguments.check:
        print("package.json is stale: run `make package`", file=sys.stderr)
        return 1
    PACKAGE_JSON.write_text(wanted_text(), encoding="utf-8")
    print(f"wrote {PACKAGE_JSON.name}: {len(library_files())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
