"""estctl as its users run it, against the development server as they run it."""

from collections.abc import Iterator

import pytest
from commands import Server, Servers
from estctl import interpreters, simulation


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def server(servers, tmp_path_factory) -> Server:
    return servers.start(tmp_path_factory.mktemp("server"))


@pytest.fixture(params=["cpython", "micropython", "micropython32"])
def interpreter(request: pytest.FixtureRequest) -> str:
    """What a simulated board runs; skipped where it is not here."""
    name = simulation.INTERPRETERS[request.param]
    if name and interpreters.find(name) is None:
        pytest.skip(interpreters.why_missing(name))
    return request.param
