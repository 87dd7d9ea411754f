"""The kept corpus: vectors/fuzz/TARGET/*, and the vectors that others made, by who reads them.

What a file in vectors/fuzz is for, its name says; a name of hexadecimal digits is of a file that a
search found, for the lines that it alone reaches.
"""

from pathlib import Path

from targets import names

HOST_TESTS = Path(__file__).resolve().parent.parent
VECTORS = HOST_TESTS / "vectors"
SHARED = HOST_TESTS.parent.parent / "shared" / "vectors"  # is not everywhere
KEPT = VECTORS / "fuzz"
# Patterns of other vectors, below VECTORS and SHARED.
_OTHERS = {
    "body": ["rfc*/*.b64"],
    "cmc": ["rfc*/*.p7.der"],
    "cms": ["rfc*/*.p7.der"],
    "csrattrs": ["rfc*/*csrattrs*.der"],
    "der": ["rfc*/*.der", "cms/*.der"],
    "enveloped": ["cms/*.der"],
    "enveloped_ecdh": ["cms/*.der"],
    "private_key": ["rfc*/*.key.der"],
    "request": ["rfc*/*.csr.der"],
}


def files(name: str) -> list[Path]:
    """Return the files of a target; those of SHARED only where it is there."""
    found = sorted((KEPT / name).iterdir())
    for pattern in _OTHERS.get(name, ()):
        for folder in (VECTORS, SHARED):
            for path in sorted(folder.glob(pattern)):
                if folder == VECTORS or not (VECTORS / path.relative_to(SHARED)).exists():
                    found.append(path)
    return found


def strays() -> list[str]:
    """Return what lies in the folder of the corpus and belongs to no target."""
    return sorted(path.name for path in KEPT.iterdir() if path.name not in names())
