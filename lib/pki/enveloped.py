"""A private key in CMS EnvelopedData (RFC 5652 6; RFC 7030 4.4.2): opened, and taken out.

Recipients that hold an AES key (KEKRecipientInfo) or a P-256 key (KeyAgreeRecipientInfo, RFC
5753); key transport by RSA and passwords are refused by name. Content in AES-CBC. Inside are a
PKCS #8 key or an AsymmetricKeyPackage (RFC 5958), bare or in SignedData, whose signature is not
checked: the TLS connection says who sent the key, and the certificate that comes with it, which
chains to the CA, whose key it is. The wrapper may be BER.
"""

from est_errors import ConfigError, DerError, KeyFault, LimitError, ProtocolError
from heap import let_go
from micropython import const

from pki import aes, der, der_writer, oid_text

_CMS = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # and 2 for SignedData, 3 for EnvelopedData
_SIGNED_DATA = const(2)
_ENVELOPED_DATA = const(3)
_AES = b"\x60\x86\x48\x01\x65\x03\x04\x01"  # and 2, 22, 42 for CBC; 5, 25, 45 for key wrap
_CBC = const(2)
_WRAP = const(5)
_STEPS = b"\x00\x14\x28"  # between key sizes: 128, 192, 256 bits
_KARI = const(0xA1)
_KEKRI = const(0xA2)
_SHA256 = const(1)  # the number of RFC 5753 7.1.4; SHA-1 has none, and is 0 here
_MAX_TRIED = const(4)  # each recipient costs a scalar multiplication
# Tags of RecipientInfo, and what they stand for.
_REFUSED = {
    0x30: b"RSA key transport",
    0xA1: b"ECDH",
    0xA2: b"a symmetric key",
    0xA3: b"a password",
}


async def private_key(message, decrypt):
    """Return the private key (DER, bytes) in an EnvelopedData message (bytes-like).

    decrypt: (identifier, key), both bytes, of an AES key that the server has, too; or a key
    object of pki.keys that has exchange(). Raises KeyFault where it does not open the message,
    ProtocolError and DerError where that is broken, and names algorithms that are refused.
    """
    enveloped = _content(message, _ENVELOPED_DATA)
    enveloped.integer()  # version
    if enveloped.peek() == der.CONSTRUCTED_CONTEXT:
        enveloped.element()  # originatorInfo
    recipients = enveloped.enter(der.SET)
    encrypted = enveloped.enter()
    content_key = await _content_key(recipients, decrypt)
    encrypted.oid()  # contentType: what is inside says itself what it is
    size, parameters = _aes(encrypted.enter(), _CBC)
    iv = bytes(parameters.take(der.OCTET_STRING))
    if len(content_key) != size or len(iv) != 16:
        raise ProtocolError("CMS: the encrypted content cannot be decrypted")
    return _inside(aes.decrypt_cbc(content_key, iv, _octets(encrypted, 0x80)))


async def _content_key(recipients, decrypt):
    """Return the content-encryption key that one of the RecipientInfos has for us."""
    shared = isinstance(decrypt, tuple)
    other = None
    tried = 0
    while recipients.more():
        tag = recipients.peek()
        recipient = recipients.enter(tag)
        if tag != (_KEKRI if shared else _KARI):
            other = other or _REFUSED.get(tag, b"another scheme")
            continue
        tried += 1
        if tried > _MAX_TRIED:
            raise LimitError("CMS: more than %d recipients" % _MAX_TRIED)
        if shared:
            found = _with_shared_key(recipient, decrypt[0], decrypt[1])
        else:
            found = await _with_own_key(recipient, decrypt)
        if found:
            return found
    if other and not tried:
        raise KeyFault(
            "the server encrypted the key by %s, which is not what was asked for" % other.decode()
        )
    raise KeyFault("the server encrypted the key for another key than the one to decrypt it with")


def _with_shared_key(recipient, identifier, key):
    """Open a KEKRecipientInfo (RFC 5652 6.2.3); return the content key, or None."""
    recipient.integer()
    if recipient.enter().take(der.OCTET_STRING) != identifier:
        return None
    size, _ = _aes(recipient.enter(), _WRAP)
    if len(key) != size:
        raise ConfigError("the server wants a key of %d octets to decrypt with" % size)
    return aes.unwrap(key, recipient.take(der.OCTET_STRING))


async def _with_own_key(recipient, key):
    """Open a KeyAgreeRecipientInfo (RFC 5753 3.1); return the content key, or None.

    Who a RecipientEncryptedKey is for is not compared: the key wrap shows it.
    """
    recipient.integer()
    originator = recipient.enter(der.CONSTRUCTED_CONTEXT)
    if originator.peek() != 0xA1:
        raise ProtocolError("CMS: the server's ECDH key is not in the message (static ECDH)")
    originator = originator.enter(0xA1)
    originator.element(der.SEQUENCE)  # the curve: the point is checked to be on ours
    point = bytes(originator.bit_string())
    material = b""
    if recipient.peek() == 0xA1:
        material = der_writer.tlv(0xA0, recipient.enter(0xA1).element(der.OCTET_STRING))
    scheme = recipient.enter()
    number = _hash_of(scheme.oid())
    wrap = bytes(scheme.element(der.SEQUENCE))
    size, _ = _aes(der.sequence(wrap), _WRAP)
    # ECC-CMS-SharedInfo (RFC 5753 7.2).
    info = der_writer.tlv(
        der.SEQUENCE,
        wrap,
        material,
        der_writer.tlv(0xA2, der_writer.tlv(der.OCTET_STRING, (8 * size).to_bytes(4, "big"))),
    )
    secret = await key.exchange(point)
    await let_go("pki.ec", "pki.ec_point", "pki.ecdh", "pki.jacobian")
    kek = await _derived(secret, info, number, size)
    keys = recipient.enter()
    for _ in range(_MAX_TRIED):
        if not keys.more():
            break
        encrypted = keys.enter()
        encrypted.element()
        found = aes.unwrap(kek, encrypted.take(der.OCTET_STRING))
        if found:
            return found
    return None


def _hash_of(scheme):
    """Return the hash's number (0 for SHA-1) of a Diffie-Hellman scheme of RFC 5753 7.1.4.

    Standard and cofactor Diffie-Hellman are the same on P-256.
    """
    if scheme[:-1] == b"\x2b\x81\x05\x10\x86\x48\x3f\x00" and scheme[-1] in (2, 3):
        return 0
    if scheme[:-2] == b"\x2b\x81\x04\x01" and scheme[-2] in (11, 14) and 1 <= scheme[-1] <= 3:
        return scheme[-1]
    raise ProtocolError("CMS: key agreement by %s is not known here" % oid_text.dotted(scheme))


async def _derived(secret, info, number, size):
    """Return `size` octets of the X9.63 KDF (SEC 1 3.6.1)."""
    out = b""
    counter = 0
    while len(out) < size:
        counter += 1
        message = secret + counter.to_bytes(4, "big") + info
        if number > _SHA256:
            from pki import signature

            out += await signature.digest(number, message)
        else:
            import hashlib

            if not number and not hasattr(hashlib, "sha1"):
                raise KeyFault("this firmware has no SHA-1, which the server's ECDH wants")
            out += (hashlib.sha256 if number else hashlib.sha1)(message).digest()
    return out[:size]


def _aes(algorithm, use):
    """Return (octets of the key, Reader at the parameters) of an AES AlgorithmIdentifier."""
    kind = algorithm.oid()
    step = _STEPS.find(bytes((kind[-1] - use & 0xFF,)))
    if kind[:-1] != _AES or step < 0:
        raise ProtocolError("CMS: encryption by %s is not known here" % oid_text.dotted(kind))
    return 16 + 8 * step, algorithm


def _content(message, kind):
    """Return a Reader inside of a ContentInfo's content (RFC 5652 3)."""
    information = der.sequence(message, ber=True)
    if information.oid() != _CMS + bytes((kind,)):
        raise DerError("CMS: this is not the kind of message that belongs here")
    wrapper = information.enter(der.CONSTRUCTED_CONTEXT)
    information.finish()
    inner = wrapper.enter()
    wrapper.finish()
    return inner


def _octets(reader, tag):
    """Read an OCTET STRING, or what is tagged as one; BER may send it in pieces."""
    if reader.peek() == tag:
        return reader.take(tag)
    out = bytearray()
    pieces = reader.enter(tag | 0x20)
    while pieces.more():
        out.extend(pieces.take(der.OCTET_STRING))
    return out


def _inside(plain):
    """Return the one private key in what was encrypted."""
    try:
        if plain[:1] == b"\x02":  # SignedData without its tag and length, as PKCS #7 had it
            plain = der_writer.tlv(der.SEQUENCE, plain)
        reader = der.sequence(plain, ber=True)
        if reader.peek() == der.OID:
            reader = _content(plain, _SIGNED_DATA)
        if reader.peek() == der.INTEGER:
            reader.integer()
            if reader.peek() == der.SET:
                plain = _signed(reader)
        reader = der.sequence(plain)
        if reader.peek() == der.SEQUENCE:  # an AsymmetricKeyPackage
            plain = reader.element()
            reader.finish()
        elif reader.peek() != der.INTEGER:
            raise DerError("")
        return bytes(plain)
    except DerError:
        raise ProtocolError("CMS: what was encrypted is no private key, or more than one")


def _signed(reader):
    """Return what SignedData signs; reader: behind its version."""
    reader.element(der.SET)  # digestAlgorithms
    content = reader.enter()
    content.oid()
    return _octets(content.enter(der.CONSTRUCTED_CONTEXT), der.OCTET_STRING)
