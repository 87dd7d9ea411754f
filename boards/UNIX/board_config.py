"""Sizes and deadlines for the unix port and CPython: a host, where memory is plenty.

Larger numbers than on boards, and shorter deadlines: a person waits for the result.
"""

CHUNK_SIZE = 2048  # bytes: a simulated small board has to find two of them
MAX_HEADERS = 100  # lines: what web servers commonly allow
MAX_BODY = 65536  # bytes, decoded: any chain, also with post-quantum signatures of some KB
MAX_CERTIFICATES = 32  # in one response: far more than any CA sends
MAX_REDIRECTS = 3  # for one operation: a server and a load balancer, and one more
MAX_ERROR_TEXT = 640  # bytes of a server's reason: a paragraph
MAX_INTERIM = 4  # 1xx responses before the final one: a server needs one
MAX_RETRY_AFTER = 86400  # seconds: a day; an operator who approves by hand may sleep
RETRY_FIRST = 60  # seconds, the longest first wait where the server does not say: it restarts
RETRY_MAX = 43200  # seconds, the longest of all: a fleet asks twice a day, or a little more
CONNECT_TIMEOUT = 10  # seconds until TCP stands: a host on a LAN answers in milliseconds
HANDSHAKE_TIMEOUT = 15  # seconds until TLS stands: what counts is the server's work
IO_TIMEOUT = 20  # seconds for one read or write: a CA with an HSM thinks for some seconds
REQUEST_TIMEOUT = 60  # seconds for a whole exchange: a slow CA; the transfer takes no time
MIN_RSA_BITS = 2048  # bits: NIST SP 800-57; the TLS stack wants as many
MIN_EC_BITS = 256  # bits of the curve: P-256
MIN_HASH_BITS = 256  # bits of the hash in a signature: SHA-256
MAX_CRL = 8388608  # bytes of a CRL that is searched: the largest of public CAs
CRL_TIMEOUT = 60  # seconds for one CRL, all of it: a person waits
