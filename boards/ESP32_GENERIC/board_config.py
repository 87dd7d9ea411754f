"""Sizes and deadlines for ESP32 (520 KB SRAM, no PSRAM).

The heap begins at 56 KB and grows into the memory that TLS needs: about 35 KB at its peak.
So the buffers stay small.
"""

CHUNK_SIZE = 1024  # bytes: a piece of heap that is still found when it is fragmented
MAX_HEADERS = 40  # lines: servers send 10 to 20, and proxies add theirs
MAX_BODY = 8192  # bytes, decoded: eight EC certificates of 700, or six RSA-2048 ones
MAX_CERTIFICATES = 8  # in one response: two chains of a root and three CAs, as after a rollover
MAX_REDIRECTS = 3  # for one operation: a server and a load balancer, and one more
MAX_ERROR_TEXT = 160  # bytes of a server's reason: two lines of a terminal
MAX_INTERIM = 4  # 1xx responses before the final one: a server needs one
MAX_RETRY_AFTER = 86400  # seconds: a day; an operator who approves by hand may sleep
RETRY_FIRST = 60  # seconds, the longest first wait where the server does not say: it restarts
RETRY_MAX = 43200  # seconds, the longest of all: a fleet asks twice a day, or a little more
CONNECT_TIMEOUT = 15  # seconds until TCP stands: a weak radio link loses packets, repeats are slow
HANDSHAKE_TIMEOUT = 30  # seconds until TLS stands: P-256 and RSA in software, and Wi-Fi beside it
IO_TIMEOUT = 20  # seconds for one read or write: a CA with an HSM thinks for some seconds
REQUEST_TIMEOUT = 60  # seconds for a whole exchange: a slow CA, and a body at 1 KB a second
MIN_RSA_BITS = 2048  # bits: NIST SP 800-57; the TLS stack wants as many
MIN_EC_BITS = 256  # bits of the curve: P-256
MIN_HASH_BITS = 256  # bits of the hash in a signature: SHA-256
MAX_CRL = 1048576  # bytes of a CRL that is searched: 28 000 entries, some ten seconds of work
CRL_TIMEOUT = 120  # seconds for one CRL, all of it: 1 MB over a weak radio link
