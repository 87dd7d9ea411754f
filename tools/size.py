"""Weighs the library: compiles lib/ to .mpy into build/mpy and writes build/size.json.

size.json holds bytes: `files`, the size of each .mpy by the path of its source in lib/;
`total_mpy_bytes`, all of them; and `first_boot_mpy_bytes`, what a first enrolment loads.
"""

import json
import shutil
import sys
from pathlib import Path

from estctl.mpy import CompileError, compile_file
from package_json import library_files
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
LIB = ROOT / "lib"
BUILD = ROOT / "build"
MARCH = "armv6m"  # machine code is weighed for the RP2040

# Loaded only where the settings ask for it, or by other programs than a first boot.
NOT_AT_FIRST_BOOT = frozenset(
    {
        "devid/keeper.py",
        "devid/refreshing.py",
        "devid/renewal.py",
        "devid/spelling.py",
        "devid/wishes.py",
        "est_fullcmc.py",
        "est_link.py",
        "est_digest.py",
        "est_psk.py",
        "est_redirect.py",
        "est_refusal.py",
        "est_revocation.py",
        "est_serverkeygen.py",
        "multipart_stream.py",
        "pem_stream.py",
        "pki/aes.py",
        "pki/ber.py",
        "pki/cmc.py",
        "pki/cmc_response.py",
        "pki/cmc_signer.py",
        "pki/cmc_status.py",
        "pki/cms.py",
        "pki/crl.py",
        "pki/csr_template.py",
        "pki/csr_wishes.py",
        "pki/csrattrs.py",
        "pki/csrattrs_text.py",
        "pki/der_stream.py",
        "pki/distribution_point.py",
        "pki/ecdh.py",
        "pki/encoded_key.py",
        "pki/enveloped.py",
        "pki/general_name.py",
        "pki/key_kind.py",
        "pki/key_wishes.py",
        "pki/key_protection.py",
        "pki/name_constraints.py",
        "pki/name_match.py",
        "pki/oid.py",
        "pki/p256_multiples.py",
        "pki/p256_portable.py",
        "pki/p384.py",
        "pki/private_key.py",
        "pki/profile.py",
        "pki/refused.py",
        "pki/registration_authority.py",
        "pki/renewal.py",
        "pki/revocation.py",
        "pki/rsa.py",
        "pki/rsa_pss.py",
        "pki/sha512.py",
        "pki/sha512_portable.py",
        "pki/sha512_viper.py",
        "tls_errors.py",
    }
)


def weigh(folder: Path) -> dict[str, int]:
    """Compile every module of the library into `folder`; return the size of each .mpy."""
    shutil.rmtree(folder, ignore_errors=True)
    sizes = {}
    for name in library_files():
        target = (folder / name).with_suffix(".mpy")
        compile_file(LIB / name, target, name, MARCH)
        sizes[name] = target.stat().st_size
    return sizes


def summary(sizes: dict[str, int]) -> dict[str, object]:
    """Return the content of size.json."""
    first_boot = sum(size for name, size in sizes.items() if name not in NOT_AT_FIRST_BOOT)
    return {
        "files": sizes,
        "total_mpy_bytes": sum(sizes.values()),
        "first_boot_mpy_bytes": first_boot,
    }


def show(sizes: dict[str, int], result: dict[str, object]) -> None:
    """Print the sizes as a table, the largest first."""
    table = Table("module", "source", ".mpy", "first boot", title="lib/ in bytes")
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        first_boot = "" if name in NOT_AT_FIRST_BOOT else "yes"
        table.add_row(name, str((LIB / name).stat().st_size), str(size), first_boot)
    table.add_section()
    table.add_row("all", "", str(result["total_mpy_bytes"]), "")
    table.add_row("first boot", "", str(result["first_boot_mpy_bytes"]), "yes")
    Console().print(table)


def main() -> int:
    """Compile, weigh, write and show; return the exit status."""
    try:
        sizes = weigh(BUILD / "mpy")
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    result = summary(sizes)
    (BUILD / "size.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    show(sizes, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
