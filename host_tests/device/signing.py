"""AlgorithmIdentifiers, keys and wishes for the tests of pki.signature, all in hex."""

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pki import der_writer

ECDSA = "300a06082a8648ce3d0403%02x"  # 2, 3, 4: with SHA-256, SHA-384, SHA-512
RSA = "300d06092a864886f70d0101%02x0500"  # 11, 12, 13


def pss(number, salt):
    """AlgorithmIdentifier of RSASSA-PSS with SHA-256 (1), -384 (2) or -512 (3), also for MGF1."""
    sha2 = bytes.fromhex("300d06096086480165030402%02x0500" % number)
    mask = b"\x30" + bytes([11 + len(sha2)]) + bytes.fromhex("06092a864886f70d010108") + sha2
    fields = b"\xa0" + bytes([len(sha2)]) + sha2
    fields += b"\xa1" + bytes([len(mask)]) + mask
    fields += der_writer.tlv(0xA2, der_writer.integer(salt))
    kind = bytes.fromhex("06092a864886f70d01010a")
    return der_writer.tlv(0x30, kind, der_writer.tlv(0x30, fields)).hex()


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def wish(key, algorithm, message, signature, **more):
    return {
        **more,
        "do": "verify",
        "spki": key,
        "algorithm": algorithm,
        "message": message,
        "signature_": signature,
    }


def count(tally, answers):
    """Count answers of pki_probe.py: what is accepted, and what is refused by our own errors."""
    tally.subject = "signatures and paths"
    for answer in answers:
        tally.tried += 1
        tally.recovered += "ok" in answer
        refused = answer.get("class") in ("TrustError", "DerError", "Undetermined")
        tally.failed_cleanly += refused
        tally.foreign_exceptions += "ok" not in answer and not refused
