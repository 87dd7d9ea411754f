"""Object identifiers of the extensions that more than one module looks at (RFC 5280 4.2).

As contents octets of DER; pki.oid_text knows the dotted text. Others stand where they are used.
"""

from micropython import const

SUBJECT_KEY_IDENTIFIER = const(b"\x55\x1d\x0e")
KEY_USAGE = const(b"\x55\x1d\x0f")
SUBJECT_ALT_NAME = const(b"\x55\x1d\x11")
BASIC_CONSTRAINTS = const(b"\x55\x1d\x13")
NAME_CONSTRAINTS = const(b"\x55\x1d\x1e")
CRL_DISTRIBUTION_POINTS = const(b"\x55\x1d\x1f")
AUTHORITY_KEY_IDENTIFIER = const(b"\x55\x1d\x23")
EXT_KEY_USAGE = const(b"\x55\x1d\x25")
