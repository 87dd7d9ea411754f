"""The limits and deadlines of the library, as numbers that fit the smallest supported board.

A module `board_config` beside the library (see boards/<BOARD>/) replaces them. Everything that
takes `limits` takes any object with these names, so an application can pass its own.
"""

import sys

CHUNK_SIZE = 1024  # bytes: the receive buffer, and so the longest header line
MAX_HEADERS = 40  # header and trailer lines of one response
MAX_BODY = 8192  # bytes of one decoded response body
MAX_CERTIFICATES = 8  # certificates in one response
MAX_REDIRECTS = 3  # redirects followed for one operation
MAX_ERROR_TEXT = 160  # bytes of a server's reason that are shown
MAX_INTERIM = 4  # 1xx responses skipped before the final one
MAX_RETRY_AFTER = 86400  # seconds: the longest Retry-After that is believed
RETRY_FIRST = 60  # seconds: the longest first wait where the server does not say
RETRY_MAX = 43200  # seconds: and the longest of all
CONNECT_TIMEOUT = 15  # seconds until TCP stands
HANDSHAKE_TIMEOUT = 30  # seconds until TLS stands
IO_TIMEOUT = 20  # seconds for one read or write
REQUEST_TIMEOUT = 60  # seconds for one request and its whole response
MIN_RSA_BITS = 2048  # bits: NIST SP 800-57; the TLS stack wants as many
MIN_EC_BITS = 256  # bits of the curve: P-256
MIN_HASH_BITS = 256  # bits of the hash in a signature: SHA-256
MAX_CRL = 1048576  # bytes of a CRL that is searched
CRL_TIMEOUT = 120  # seconds for one CRL, all of it

try:
    from board_config import *  # noqa: F403
except ImportError:
    pass
sys.modules.pop("board_config", None)  # its numbers are here now: once is enough
del sys
