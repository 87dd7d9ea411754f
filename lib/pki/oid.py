"""Object identifiers of the extensions that more than one module looks at (RFC 5280 4.2).

As contents octets of DER; pki.oid_text knows the dotted text. Others stand where they are used.
"""

SUBJECT_KEY_IDENTIFIER = b"\x55\x1d\x0e"
KEY_USAGE = b"\x55\x1d\x0f"
SUBJECT_ALT_NAME = b"\x55\x1d\x11"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
NAME_CONSTRAINTS = b"\x55\x1d\x1e"
CRL_DISTRIBUTION_POINTS = b"\x55\x1d\x1f"
AUTHORITY_KEY_IDENTIFIER = b"\x55\x1d\x23"
EXT_KEY_USAGE = b"\x55\x1d\x25"
