"""Short private names in .mpy files: what they may change, and what not."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from estctl import library
from estctl.constants import inlined
from estctl.shorten import INTERNAL, internal_names, shortened
from pki.der_writer import tlv

AS_WRITTEN = {
    path.relative_to(library.LIB).as_posix(): path.read_text(encoding="utf-8")
    for path in library.LIB.rglob("*.py")
}
SOURCES = inlined(AS_WRITTEN)
OURS = internal_names({module: ast.parse(text) for module, text in SOURCES.items()})
MODULES = {module.removesuffix(".py").replace("/", ".") for module in SOURCES}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def outline(text):
    """Return what others may see of a module: (where, name, arguments with a default) each."""
    found = []
    for node in ast.walk(ast.parse(text)):
        public = isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name[0] != "_"
        if public and node.name not in OURS:
            names = [each.arg for each in node.args.args] if isinstance(node, FUNCTIONS) else []
            optional = len(node.args.defaults) if isinstance(node, FUNCTIONS) else 0
            found.append((node.lineno, node.name, names[len(names) - optional :]))
    return found


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_public_names_optional_arguments_and_lines_stay(module):
    private = {
        line
        for line, name, _ in outline(shortened(SOURCES[module], module, SOURCES))
        if (line, name) not in {each[:2] for each in outline(SOURCES[module])}
    }
    new = outline(shortened(SOURCES[module], module, SOURCES))
    assert [each for each in new if each[0] not in private] == outline(SOURCES[module])


def test_no_private_name_is_left():
    for module, text in SOURCES.items():
        kept = set(re.findall(r"(?m)^(_\w+) = const\(", text))  # these vanish in mpy-cross
        for node in ast.walk(ast.parse(shortened(text, module, SOURCES))):
            if isinstance(node, ast.Attribute):
                assert not re.match("_[^_]", node.attr), (module, node.attr)
            elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                assert not re.match("_[^_]", node.name), (module, node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                local = f"    {node.id} = " in text or f"for {node.id} in" in text
                assert not re.match("_[^_]", node.id) or node.id in kept or local


def test_arguments_of_est_client_and_device_identity_keep_their_names():
    for module in ("est.py", "devid/__init__.py"):
        for text in (SOURCES[module], shortened(SOURCES[module], module, SOURCES)):
            (init,) = [
                node
                for node in ast.walk(ast.parse(text))
                if isinstance(node, FUNCTIONS) and node.name == "__init__"
            ]
            names = [each.arg for each in init.args.args]
            assert names[1] in ("host", "settings") and names[-1] in ("psk", "on_change")


def test_the_firmware_and_the_examples_use_no_private_name_of_the_library():
    # They are not compiled, and so would look for another name.
    for path in library.FIRMWARE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Constant):
                owner = getattr(node.value, "id", None)
                assert not re.match("_[^_]", node.attr) or owner == "self", (path, node.attr)
                assert node.attr not in OURS, (path, node.attr)
            elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
                assert not OURS.intersection(alias.name for alias in node.names), path


def test_internal_names_are_those_of_modules_that_only_the_library_uses():
    assert {"check_leaf", "fingerprint_octets", "keep_trust"} <= OURS
    # Others have these, too: an error's class, a method of files, an argument, a module.
    assert not OURS & {"EstError", "read", "check", "limits", "profile", "ensure", "generate"}
    blocks = re.findall(r"```python(.*?)```", (library.ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3 and not OURS & set(re.findall(r"\w+", "".join(blocks)))


def test_exceptions_keep_their_names():
    # That is what a log, and a traceback, names them by.
    classes = re.compile(r"(?m)^class ([A-Z]\w+)\(\w+Error\):")
    kept = [name for text in SOURCES.values() for name in classes.findall(text)]
    assert {"TlsRefused", "Undetermined", "KeyFault"} <= set(kept) and not OURS & set(kept)


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_pkis_constants_stand_where_they_are_used(module):
    text = SOURCES[module]
    assert text.count("\n") == AS_WRITTEN[module].count("\n")
    assert not re.findall(r"(?m)^[A-Z]\w* = const\(", text) or module[:4] != "pki/"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = AS_WRITTEN.get(f"pki/{node.value.id}.py", "")
            assert f"\n{node.attr} = const(" not in owner, (module, node.attr)


def test_constants_keep_their_values():
    assert "tbs.element(48)" in SOURCES["pki/x509.py"]  # der.SEQUENCE
    assert "from pki import der\n" in SOURCES["pki/x509.py"]  # and no oid any more
    assert "from pki import" not in SOURCES["pki/der_writer.py"]
    assert repr(b"\x55\x1d\x13") in SOURCES["pki/x509.py"]


def test_what_main_py_calls_keeps_its_name():
    main = (library.FIRMWARE / "main.py").read_text()
    assert "schedule.backoff(" in main and "devid/schedule.py" in INTERNAL
    text = shortened(SOURCES["devid/schedule.py"], "devid/schedule.py", SOURCES)
    assert "def backoff(" in text and "def longest_wait(" not in text


def test_what_programs_beside_the_compiled_library_call_keeps_its_name():
    here = Path(__file__).parent
    programs = [*here.glob("bench_*.py"), *here.glob("device/*_app.py")]
    assert len(programs) > 7 and "opened" in OURS
    for program in programs:
        tree = ast.parse(program.read_text())
        called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not called & OURS, program.name


def usages():
    """CsrAttrs with a template (RFC 9908) that has a keyUsage."""
    usage = bytes.fromhex("300e0603551d0f0101ff040403020780")
    wanted = tlv(0x31, tlv(0x30, usage))
    kinds = tlv(0x30, bytes.fromhex("060b2a864886f70d010910023e"), wanted)
    whole = tlv(0x31, tlv(0x30, b"\x02\x01\x00", tlv(0xA1, kinds)))
    return tlv(0x30, tlv(0x30, bytes.fromhex("060b2a864886f70d010910023d"), whole))


def test_the_library_works_with_them(tmp_path):
    assert set(SOURCES) >= INTERNAL
    for module, text in SOURCES.items():
        target = tmp_path / module
        target.parent.mkdir(exist_ok=True)
        target.write_text(shortened(text, module, SOURCES))
    program = (
        "import asyncio\n"
        "from pki import csr, csr_parts, csrattrs, keys, signature, x509\n"
        "async def main():\n"
        "    key = await keys.generate()\n"
        "    made = await csr.signed(key, *csr_parts.parts('CN=a', ['dns:b.example'], (), ()))\n"
        "    public = bytes(x509.request_public_key(made))\n"
        "    assert public == await key.public_key()\n"
        "    signed = await key.sign(await signature.digest(1, b'x'))\n"
        "    await signature.verify(public, key.signature_algorithm, b'x', signed)\n"
        # A private name of another module: csr_parts has what csrattrs_text shows.
        f"    asked = csrattrs.CsrAttributes(bytes.fromhex('{usages().hex()}'))\n"
        "    assert 'digitalSignature' in ' '.join(asked.as_text()), asked.as_text()\n"
        "    print('right')\n"
        "asyncio.run(main())\n"
    )
    path = [str(tmp_path), str(library.SHIM / "cpython"), str(library.BOARDS / "UNIX")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n" + program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "right\n", done.stderr
