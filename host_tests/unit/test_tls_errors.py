"""What the numbers of TLS stacks are in words."""

import tls_errors
from est_errors import NetworkError


def said(*args):
    """Return the words for an OSError."""
    error = tls_errors.explain(OSError(*args), "est.example", 443)
    assert isinstance(error, NetworkError)
    assert error.message.startswith("est.example:443: ")
    return error.message


def test_a_connection_that_ends_in_the_middle_of_a_record():
    # MBEDTLS_ERR_SSL_CONN_EOF, as MicroPython gives it with and without mbedTLS's texts; asyncio
    for args in ((-0x7280,), (-0x7280, "SSL - The connection indicated an EOF"), (104,)):
        assert "the connection was broken off" in said(*args), args
    assert "the connection was broken off" in said("Connection lost")


def test_records_that_are_damaged():
    # INVALID_MAC, INVALID_RECORD, UNEXPECTED_MESSAGE
    for code in (-0x7180, -0x7200, -0x7700):
        for args in ((code,), (code, "SSL - a text")):
            text = said(*args)
            assert "was damaged on its way, or is no TLS" in text and str(code) not in text, text


def test_what_is_not_known_is_told_as_it_came():
    assert "connection failed" in said(-0x6C00)
