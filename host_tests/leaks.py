"""No secret may stand in what a program says: a plugin that watches the whole suite (conftest.py).

Outputs are what a program prints or logs, the command line that it is started with, each error of
the library, and what pytest reports of a test. They are searched after each test for each secret
that is known by then, in every form in which it could stand there; a hit fails the test.

Nobody has to register a secret. They are found where they may lie: in the files and folders that
a command line names (passwords, keys, settings, an identity), and in the JSON that a probe is
given. What a person could not tell from ordinary text is none: words in small letters, and what
is shorter than 6 characters. So tests make up secrets like "S3cret".
"""

import base64
import binascii
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

WORDS = (
    "password",
    "token",
    "psk",
    "psk_key",
    "kek",
    "shared_key",
)  # names in settings and wishes
WORD_FILE = re.compile("password|token|psk|secret|kek|code")
KEYS = ("key", "old", "signer")
# The private number in SEC 1 and PKCS #8 (RFC 5915), and the exponent in an RSAPrivateKey, which
# one key of 50 has shorter than its modulus: then one octet says how long it is.
EC_KEY = re.compile(rb"\x02\x01\x01\x04[\x20\x30](.{32})", re.DOTALL)
RSA_KEY = re.compile(rb"\x02\x03\x01\x00\x01\x02(?:\x81.|\x82..)(.{32})", re.DOTALL)
PEM_KEY = re.compile(rb"-----BEGIN (?:\w+ )?PRIVATE KEY-----(.*?)-----END", re.DOTALL)
# Their output is what a test asks for, and they are not ours.
FOREIGN = ("openssl", "curl", "git", "mosquitto", "mosquitto_pub", "mosquitto_sub")
LARGEST = 1 << 20  # octets of a file that may hold a secret


class Leaks:
    """The secrets and the outputs of one process of pytest."""

    def __init__(self):
        self.secrets = {}  # each form of each: what it is
        self.outputs = []  # (where, octets) since the last search
        self.logs = {}  # file: how much of it has been searched
        self.known = set()
        self.programs = []  # those that may still make secrets, such as a server's password

    def word(self, text, what):
        """Register a password, a token or the like."""
        if len(text) >= 6 and not re.fullmatch(r"[a-z .:_-]+", text):
            octets = text.encode()
            forms = [octets, repr(text)[1:-1].encode(), json.dumps(text)[1:-1].encode()]
            self._register(octets, [*forms, quote(text).encode()], what)

    def key(self, octets, what):
        """Register what is private of the keys in DER or PEM; nothing where there is none."""
        for body in PEM_KEY.findall(octets):
            try:
                self.key(base64.b64decode(body), what)
            except binascii.Error:
                continue
        for pattern in (EC_KEY, RSA_KEY):
            for number in pattern.findall(octets):
                decimal = str(int.from_bytes(number, "big")).encode()
                self._register(number, [number, decimal], what)

    def _register(self, octets, forms, what):
        if octets in self.known:
            return
        self.known.add(octets)
        digits = binascii.hexlify(octets)
        forms += [digits, digits.upper(), repr(octets)[2:-1].encode()]
        # In base64 at each of three places: without the characters that depend on neighbours.
        for before in range(3):
            whole = base64.b64encode(bytes(before) + octets).rstrip(b"=")
            forms.append(whole[(0, 2, 3)[before] : -1])
        for form in forms:
            if len(form) >= 6:
                self.secrets[form] = what

    def file(self, path):
        """Register the secrets in a file."""
        if path.suffix in (".py", ".mpy"):
            return  # code; and there is much of it
        try:
            if not path.is_file() or path.stat().st_size > LARGEST:
                return
            content = path.read_bytes()
        except OSError:
            return
        self.key(content, f"the private key of {path.name}")
        if path.suffix == ".json":
            self.settings(content)
        elif WORD_FILE.search(path.name) and path.suffix not in (".py", ".txt", ".log"):
            line = content.split(b"\n")[0].rstrip(b"\r")
            try:
                self.word(line.decode(), f"the first line of {path.name}")
            except UnicodeDecodeError:
                self._register(line, [line], f"the first line of {path.name}")

    def settings(self, content):
        """Register the secrets in JSON: those that a name says to be one."""
        for line in [content, *content.splitlines()]:
            try:
                todo = [json.loads(line)]
            except ValueError:
                continue
            while todo:
                value = todo.pop()
                todo += value.values() if isinstance(value, dict) else ()
                todo += value if isinstance(value, list) else ()
                for name, one in value.items() if isinstance(value, dict) else ():
                    if name in WORDS and isinstance(one, str):
                        self.word(one, f"the value of {name}")
                    elif name in KEYS and isinstance(one, str) and len(one) % 2 == 0:
                        try:
                            self.key(bytes.fromhex(one), f"the private key in {name}")
                        except ValueError:
                            continue

    def look(self, arguments):
        """Register the secrets in all that a command line names."""
        for argument in arguments:
            path = Path(argument)
            try:
                if path.is_file():
                    self.file(path)
                elif path.is_dir() and not (path / "pyproject.toml").exists():
                    for inside in [*path.iterdir(), *path.glob("identity/*")]:
                        self.file(inside)
            except OSError:
                continue

    def search(self):
        """Return where secrets stand, as lines that do not show them; forget the outputs."""
        for program in self.programs:
            self.look(program.named)
        self.programs = [one for one in self.programs if one.returncode is None]
        for path, seen in self.logs.items():
            if path.is_file():
                with open(path, "rb") as log:
                    log.seek(seen)
                    self.said(path.name, log.read())
                    self.logs[path] = log.tell()
        outputs, self.outputs = self.outputs, []
        return sorted({hit for where, octets in outputs for hit in self.hits(where, octets)})

    def hits(self, where, octets):
        """Yield a line for each secret in an output."""
        dense = re.sub(rb"\s+", b"", octets)  # base64 is cut into lines
        for form, what in self.secrets.items():
            if form in octets or form in dense:
                yield f"{what} stands in {where}"

    def said(self, where, octets):
        """Keep an output, octets or text, until the next search."""
        if isinstance(octets, str):
            octets = octets.encode("utf-8", "backslashreplace")
        if octets:
            self.outputs.append((where, bytes(octets)))


LEAKS = Leaks()


class Tee:
    """A pipe from a program: what is read from it is an output."""

    def __init__(self, pipe, where):
        self._pipe, self._where = pipe, where

    def __getattr__(self, name):
        found = getattr(self._pipe, name)
        if name not in ("read", "readline", "read1"):
            return found

        def read(*arguments):
            got = found(*arguments)
            LEAKS.said(self._where, got or b"")
            return got

        return read

    def __iter__(self):
        return iter(self.readline, "" if isinstance(self._pipe, io.TextIOBase) else b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pipe.close()


class Popen(subprocess.Popen):
    """subprocess.Popen whose program is watched."""

    def __init__(self, args, *rest, **options):
        words = [os.fsdecode(one) for one in ([args] if isinstance(args, (str, bytes)) else args)]
        self.named = None if Path(words[0]).name in FOREIGN else words
        super().__init__(args, *rest, **options)
        if self.named:
            LEAKS.look(words)
            LEAKS.programs.append(self)
            LEAKS.said("a command line", "\n".join(words))
            for stream in ("stdout", "stderr"):
                given = options.get(stream)
                if isinstance(getattr(given, "name", None), str):
                    LEAKS.logs.setdefault(Path(given.name), 0)
                if getattr(self, stream):
                    where = f"{stream} of {_program(words)}"
                    setattr(self, stream, Tee(getattr(self, stream), where))

    def communicate(self, input=None, timeout=None):  # noqa: A002
        if self.named and input:
            LEAKS.settings(input.encode() if isinstance(input, str) else input)
        try:
            found = super().communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            for octets in (error.output, error.stderr):
                LEAKS.said("a program that took too long", octets or b"")
            raise
        if self.named:
            where = _program(self.named)
            # A probe gives back the key that it was to fetch or make: that is its result.
            if "probe" not in where and not where.endswith("_app.py"):
                LEAKS.said(f"stdout of {where}", found[0] or b"")
            LEAKS.said(f"stderr of {where}", found[1] or b"")
        return found


def _program(words):
    """Return what a command line runs, for people."""
    names = [Path(word).name for word in words]
    scripts = [name for name in names if name.endswith(".py")]
    return scripts[0] if scripts else " ".join(names[:4])


def pytest_configure(config):
    """Watch all programs that tests start, and the library's errors in this process."""
    subprocess.Popen = Popen
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
    import est_errors

    begin = est_errors.EstError.__init__

    def watched(self, message, *more, **named):
        LEAKS.said("the text of an error", str(message))
        begin(self, message, *more, **named)

    est_errors.EstError.__init__ = watched


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Search what pytest shows of a test, and after it all that was said meanwhile."""
    report = yield
    shown = [report.longreprtext, *(text for _, text in report.sections)]
    found = list(LEAKS.hits("what pytest shows of the test", "\n".join(shown).encode()))
    if found:
        report.sections = []
    if call.when == "teardown":
        found += LEAKS.search()
    if found:
        report.outcome = "failed"
        report.longrepr = "A secret got out:\n" + "\n".join(sorted(set(found)))
    return report
