"""package.json (what `mip` installs), the lock file, and the project's version."""

import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "tools/audit.lock")


@pytest.fixture(scope="module")
def tool():
    """The module tools/package_json.py."""
    spec = importlib.util.spec_from_file_location("package_json", ROOT / "tools/package_json.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package():
    """The content of package.json."""
    return json.loads((ROOT / "package.json").read_text())


def test_package_json_is_current(tool):
    assert tool.is_current(), "package.json is stale: run `make package`"


def test_package_json_lists_each_file_of_the_library_once(package):
    targets = [target for target, _ in package["urls"]]
    on_disk = {path.relative_to(ROOT / "lib").as_posix() for path in (ROOT / "lib").rglob("*.py")}
    assert sorted(targets) == sorted(on_disk)


def test_each_address_is_a_file_here_under_its_own_name(package):
    for target, url in package["urls"]:
        assert (ROOT / url).is_file()
        assert url == "lib/" + target


def test_the_board_needs_nothing_from_elsewhere(package):
    assert package["deps"] == []


def test_the_version_is_the_projects(package, tool):
    assert package["version"] == tool.version()


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(name):
    lock = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.split("\n", 2)[2])
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[0-9]", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_index(name):
    lock = (ROOT / name).read_text()
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock


def test_the_locks_fit_what_pyproject_asks_for():
    text = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(\w+) = \[(.*?)\]$", text, re.M | re.S)
    asked = {name: re.findall(r'"([a-z0-9-]+[>=]=[^"]+)"', body) for name, body in lists}
    for name in ("dependencies", "dev", "build", "audit"):
        assert asked[name]
        file = LOCKS[name == "audit"]
        locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / file).read_text(), re.M))
        for wanted in map(Requirement, asked[name]):
            assert wanted.specifier.contains(locked[wanted.name]), wanted


def test_set_up_installs_by_hashes_alone():
    # Each call of pip: what the lock names, or what is here already.
    text = (ROOT / "tools/setup/environment.py").read_text()
    calls = re.findall(r"(?:self\._pip|run)\((\[\*pip, )?(\"--[^)]*)\)", text)
    assert len(calls) == 3
    for _, options in calls:
        assert "--require-hashes" in options or "--no-deps" in options, options
    for path in [*(ROOT / "tools").rglob("*.py"), ROOT / "Makefile", ROOT / ".ci/run"]:
        found = re.findall("urlopen|urlretrieve|wget |pip install|npm ", path.read_text())
        assert not found, (path, found)


def test_no_program_is_kept_that_nobody_can_read():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if name.startswith("host_tests/vectors/fuzz/"):  # octets that a parser has to stand
            content = path.read_bytes()
            assert len(content) < 65536 and content[:4] != b"\x7fELF", name
        elif path.suffix != ".der" and path.is_file():  # the examples of RFCs
            path.read_text(encoding="utf-8")


class Osv(http.server.BaseHTTPRequestHandler):
    """An advisory service that knows something of one package alone."""

    known = "aiohttp"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {}
        if asked["package"]["name"] == self.known:
            date = "2026-01-01T00:00:00Z"
            events = [{"introduced": "0"}, {"fixed": "99.0"}]
            affected = {"package": asked["package"], "versions": [asked["version"]]}
            affected["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
            known = {"id": "MADE-1", "modified": date, "published": date, "affected": [affected]}
            answer = {"vulns": [known]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_audit_tells_what_is_known_and_where_nobody_answers(torture):
    if not torture:
        pytest.skip("installs pip-audit: make torture")
    with http.server.HTTPServer(("127.0.0.1", 0), Osv) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{service.server_port}/v1/query"
        known = audit(url)
        Osv.known = ""
        clean = audit(url)
        service.shutdown()
    assert known.returncode == 1, known
    assert re.search(r"^aiohttp \S+: MADE-1, mended in 99.0$", known.stdout, re.M), known
    assert clean.returncode == 0 and "no known vulnerabilities" in clean.stdout, clean
    nobody = audit(url)
    assert nobody.returncode == 2, nobody
    assert nobody.stderr.count("\n") == 1 and "Connection refused" in nobody.stderr, nobody


def audit(url):
    return subprocess.run(
        [sys.executable, ROOT / "tools/audit.py"],
        env={**os.environ, "OSV_URL": url},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
