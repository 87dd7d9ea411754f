"""Every board folder against one schema, and against what the library and its build expect.

Adding a board is copying a folder: these tests find it by themselves.
"""

import ast
from pathlib import Path

import pytest
from estctl.mpy import compile_file

ROOT = Path(__file__).resolve().parent.parent
BOARDS = sorted(path for path in (ROOT / "boards").iterdir() if path.is_dir())
SUPPORTED = {
    "ESP32_GENERIC",
    "ESP32_GENERIC_C3",
    "ESP32_GENERIC_S3",
    "RPI_PICO2_W",
    "RPI_PICO_W",
    "UNIX",
}

# Each constant of board_config.py: the least and the greatest value that make sense.
SCHEMA = {
    "CHUNK_SIZE": (512, 16384),  # bytes; a header line of 512 is common
    "MAX_HEADERS": (20, 200),  # lines
    "MAX_BODY": (4096, 1 << 20),  # bytes; less does not hold a chain with RSA
    "MAX_CERTIFICATES": (4, 64),
    "MAX_REDIRECTS": (0, 10),
    "MAX_ERROR_TEXT": (80, 4096),  # bytes
    "MAX_INTERIM": (1, 20),
    "MAX_RETRY_AFTER": (60, 30 * 86400),  # seconds
    "RETRY_FIRST": (10, 3600),
    "RETRY_MAX": (600, 7 * 86400),
    "CONNECT_TIMEOUT": (2, 120),  # seconds, as all that follow
    "HANDSHAKE_TIMEOUT": (5, 300),
    "IO_TIMEOUT": (5, 300),
    "REQUEST_TIMEOUT": (10, 900),
    "MIN_RSA_BITS": (2048, 4096),  # bits, as the two that follow; less is broken
    "MIN_EC_BITS": (256, 384),
    "MIN_HASH_BITS": (256, 512),
    "MAX_CRL": (65536, 9999999),  # bytes; Content-Length is read to seven digits
    "CRL_TIMEOUT": (10, 900),  # seconds
}


def constants(path):
    """Return the values of a file that must be nothing but `NAME = number` lines, by name."""
    docstring, *statements = ast.parse(path.read_text()).body
    assert isinstance(docstring, ast.Expr), f"{path} begins with a docstring"
    values = {}
    for statement in statements:
        assert isinstance(statement, ast.Assign), f"{path}:{statement.lineno}: no NAME = number"
        (target,) = statement.targets
        assert target.id not in values, f"{path}: {target.id} twice"
        values[target.id] = ast.literal_eval(statement.value)
    return values


@pytest.fixture(params=BOARDS, ids=lambda path: path.name)
def board(request):
    """One board folder."""
    return request.param


def test_the_supported_boards_are_there():
    assert {path.name for path in BOARDS} >= SUPPORTED


def test_the_numbers_fit_the_schema(board):
    values = constants(board / "board_config.py")
    assert values.keys() == SCHEMA.keys()
    for name, value in values.items():
        least, greatest = SCHEMA[name]
        assert type(value) is int, f"{name} is a whole number"
        assert least <= value <= greatest, f"{name} = {value}"


def test_the_numbers_fit_each_other(board):
    values = constants(board / "board_config.py")
    assert values["CHUNK_SIZE"] % 4 == 0, "base64 is decoded by four characters"
    assert values["MAX_ERROR_TEXT"] <= values["CHUNK_SIZE"] <= values["MAX_BODY"]
    assert values["REQUEST_TIMEOUT"] >= values["IO_TIMEOUT"]
    assert values["MAX_RETRY_AFTER"] >= values["REQUEST_TIMEOUT"]
    assert values["RETRY_FIRST"] <= values["RETRY_MAX"] <= values["MAX_RETRY_AFTER"]


def test_each_number_has_its_unit_or_reason_beside_it(board):
    for line in (board / "board_config.py").read_text().splitlines():
        if " = " in line and line[0].isupper():
            assert "  # " in line, line


def test_the_library_reads_these_names_and_no_others():
    defaults = ast.parse((ROOT / "lib/est_limits.py").read_text()).body
    names = {node.targets[0].id for node in defaults if isinstance(node, ast.Assign)}
    assert names == SCHEMA.keys()


def test_board_config_compiles_for_the_board(board, tmp_path):
    target = tmp_path / "board_config.mpy"
    compile_file(board / "board_config.py", target, "board_config.py")
    assert target.read_bytes()[:1] == b"M"


def frozen_files(manifest):
    """Run a manifest as MicroPython's build does; return (files by target name, other includes).

    A manifest that names a file which is not there fails, as in the build.
    """
    files, foreign = {}, []

    def add(folder, name):
        assert (folder / name).is_file(), f"{manifest}: {folder / name} is missing"
        assert name not in files, f"{manifest}: {name} twice"
        files[name] = folder / name

    def run(path):
        here = path.parent

        def include(other):
            if other.startswith("$("):
                foreign.append(other)
            else:
                run((here / other).resolve())

        def module(name, base_path="."):
            add((here / base_path).resolve(), name)

        def package(name, base_path="."):
            folder = (here / base_path).resolve()
            for source in sorted((folder / name).rglob("*.py")):
                add(folder, source.relative_to(folder).as_posix())

        functions = {"include": include, "module": module, "package": package}
        exec(compile(path.read_text(), str(path), "exec"), functions)

    run(manifest)
    return files, foreign


def test_the_manifest_freezes_the_stock_firmware_the_library_and_the_numbers(board):
    files, foreign = frozen_files(board / "manifest.py")
    lib = {path.relative_to(ROOT / "lib").as_posix() for path in (ROOT / "lib").rglob("*.py")}
    assert lib <= files.keys()
    assert files["board_config.py"] == board / "board_config.py"
    assert len(foreign) == 1, "the stock firmware's own manifest, for ssl and ntptime"


def test_a_frozen_main_does_not_hide_the_one_on_flash(board):
    files, _ = frozen_files(board / "manifest.py")
    assert not {"boot.py", "main.py"} & files.keys()
