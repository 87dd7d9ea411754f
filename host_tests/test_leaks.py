"""The plugin that watches for secrets (leaks.py), over tests that let one out on purpose."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import leaks
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from made_keys import rsa_key

HERE = Path(__file__).resolve().parent
START = """
import json, logging, subprocess, sys
sys.path.insert(0, {lib!r})
import est_errors, leaks, pytest

@pytest.fixture(autouse=True)
def _each_finds_the_secrets_anew():
    leaks.LEAKS.__init__()

def start(code, *arguments, **options):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, text=True, check=True, **options)
"""
# Each lets a password, a token or a key out on another way; settings.json and the files exist.
WAYS = {
    "standard output": """
    start("print(open('password').read())", "password", capture_output=True)
""",
    "standard error": """
    start("import sys; print(open('password').read(), file=sys.stderr)", "password",
          capture_output=True)
""",
    "the log of a program": """
    with open("log", "w") as log:
        start("print(open('password').read())", "password", stdout=log)
""",
    "a pipe that a test reads line by line": """
    command = [sys.executable, "-c", "print('x'); print(open('password').read())", "password"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            pass
""",
    "a command line": """
    start("", "settings.json", "--password", "Pa55word-1")
""",
    "base64, as HTTP Basic has it": """
    start("import base64; print(base64.b64encode(b'device:' + open('password', 'rb').read()))",
          "password", capture_output=True)
""",
    "hexadecimal digits": """
    start("print(open('password', 'rb').read().hex())", "password", capture_output=True)
""",
    "what a test is given by JSON": """
    start("print(input())", input=json.dumps({"token": "T0ken-22"}), capture_output=True)
""",
    "captured output": """
    start("", "settings.json")
    print("Pa55word-1")
""",
    "logging": """
    start("", "settings.json")
    logging.getLogger().warning("Pa55word-1")
""",
    "an assertion": """
    start("", "settings.json")
    text = "a Pa55word-1"
    assert text == "another"
""",
    "the error of the library": """
    start("", "settings.json")
    est_errors.AuthError("refused: Pa55word-1")
""",
    "a key in PEM": """
    start("print(open('ec.pem').read())", "ec.pem", capture_output=True)
""",
    "an RSA key in PEM": """
    start("print(open('rsa.pem').read())", "rsa.pem", capture_output=True)
""",
    "a key as Python writes octets": """
    start("print(open('key.der', 'rb').read())", "key.der", capture_output=True)
""",
    "a crash": """
    try:
        start("raise ValueError(open('key.der', 'rb').read().hex())", "key.der",
              capture_output=True)
    except subprocess.CalledProcessError:
        pass
""",
    "an identity that came to be meanwhile": """
    start("import os, sys; os.mkdir('board'); os.mkdir('board/identity');"
          "key = open('key.der', 'rb').read(); open('board/identity/a.slot', 'wb').write(key)")
    start("print(open('board/identity/a.slot', 'rb').read().hex())", "board", capture_output=True)
""",
}
WAYS["the log of a server that makes its own password"] = """
    code = "import os, sys; os.mkdir('served'); open('served/password', 'w').write('M4de-here');"
    with open("log", "w") as log:
        start(code + "print('M4de' + '-here', flush=True)", "served", stdout=log)
"""
HARMLESS = """
def test_it():
    start("print('wrong password for device'); print(len(open('password').read()))",
          "password", "settings.json", "ec.pem", capture_output=True)
    start("import shutil; shutil.copy('password', 'copy')", "password")
"""


def run(folder, body):
    """Run one test file with the plugin; return its status and all it printed."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = (PrivateFormat.PKCS8, NoEncryption())
    (folder / "password").write_text("Pa55word-1\n")
    (folder / "settings.json").write_text(json.dumps({"credential": {"password": "Pa55word-1"}}))
    (folder / "ec.pem").write_bytes(key.private_bytes(Encoding.PEM, *form))
    (folder / "key.der").write_bytes(key.private_bytes(Encoding.DER, *form))
    (folder / "rsa.pem").write_bytes(rsa_key(2048).private_bytes(Encoding.PEM, *form))
    (folder / "test_it.py").write_text(START.format(lib=str(HERE.parent / "lib")) + body)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "leaks",
            "-p",
            "no:cacheprovider",
            "-q",
            "-rfE",
            ".",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_secret_that_gets_out_fails_the_test_and_is_not_shown(tmp_path):
    bodies = [f"\ndef test_{i}_():{body}" for i, body in enumerate(WAYS.values())]
    status, text = run(tmp_path, "".join(bodies))
    assert status == 1, text
    for i, way in enumerate(WAYS):
        assert re.search(rf"(FAILED|ERROR) test_it.py::test_{i}_ - A secret got out", text), way
    assert "Pa55word-1" not in text and "T0ken-22" not in text


def test_what_is_no_leak_passes(tmp_path):
    status, text = run(tmp_path, HARMLESS)
    assert status == 0, text


def test_words_that_nobody_could_tell_from_text_are_no_secrets():
    watch = leaks.Leaks()
    for word in ("", "p", "short", "the wrong one", "device"):
        watch.word(word, "a word")
    assert not watch.secrets
    watch.word("S3cret: ä", "a word")
    for form in ("S3cret: ä".encode(), b"S3cret: \\u00e4", b"S3cret%3A%20%C3%A4"):
        assert list(watch.hits("x", b"..." + form + b"..."))
    for user in ("", "u", "us", "use"):
        assert list(watch.hits("x", base64.b64encode(f"{user}S3cret: ä!".encode())))


def test_a_private_exponent_that_is_short():
    # Of 1024 bits each has it; of 2048 one in 50, and then a key in a log went unseen.
    octets = rsa_key(1024).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert b"\x02\x03\x01\x00\x01\x02\x81" in octets
    watch = leaks.Leaks()
    watch.key(octets, "a key")
    assert list(watch.hits("x", base64.b64encode(octets)))


def test_this_run_is_watched():
    assert subprocess.Popen is leaks.Popen
