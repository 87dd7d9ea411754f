"""Formats and keys of a public key infrastructure; no input or output happens here."""
