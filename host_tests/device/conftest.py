"""The EST client in each interpreter against servers on loopback."""

import ssl

import pytest
import trustme
from probing import Device, der


@pytest.fixture(params=["cpython", "unix", "unix32"])
def device(request: pytest.FixtureRequest) -> Device:
    return Device(request.param)


@pytest.fixture(
    params=[("cpython", "portable")]
    + [(name, engine) for name in ("unix", "unix32") for engine in ("viper", "portable")],
    ids="-".join,
)
def ask(request):
    """Return a function that performs wishes in one interpreter, with one engine."""
    name, engine = request.param
    device = Device(name)

    def perform(wishes):
        chosen, *answers = device.pki({"do": "engine", "name": engine}, *wishes)
        assert chosen == {"ok": engine}
        return answers

    return perform


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def context(ca):
    """A server context whose certificate `ca` issued for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def anchor(ca) -> bytes:
    """The DER of the CA certificate that issued the server's."""
    return der(ca.cert_pem.bytes())
