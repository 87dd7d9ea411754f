"""Every parser of what a server, a network or a file gives: one function of bytes each.

The same file in CPython and MicroPython: hypothesis, atheris and the kept corpus all call run().
A target returns what it read, made of simple values, so that interpreters can be compared. It may
raise errors of est_errors, and no others.
"""

import asyncio
import hashlib
import os
import sys
from binascii import hexlify, unhexlify

import est_limits
from est_errors import EstError

NOW = 1790000000  # 2026-09
HOST = "est.example.com"
KEK = (b"\xaa\xbb", bytes(range(32)))
ISSUER = unhexlify("300d310b300906035504030c024341")  # CN=CA
SERIAL = b"\x05"


class Limits:
    """A board's limits, small enough for a fuzzer to reach them."""

    CHUNK_SIZE = 256
    MAX_HEADERS = 12
    MAX_BODY = 4096
    MAX_INTERIM = 2


for _name in dir(est_limits):
    if _name[0] != "_" and not hasattr(Limits, _name):
        setattr(Limits, _name, getattr(est_limits, _name))


class Source:
    """Gives bytes as a socket does, a few at a time; it is a response with a body, too."""

    framed = True

    def __init__(self, octets, step, content_type=""):
        self._octets = octets
        self._at = 0
        self._step = step
        self.content_type = content_type
        self.headers = {}

    async def readinto(self, view):
        count = min(len(view), self._step, len(self._octets) - self._at)
        view[:count] = self._octets[self._at : self._at + count]
        self._at += count
        return count

    async def write(self, octets):
        pass

    async def close(self):
        pass

    def idle(self):
        return self._at == len(self._octets)


class Flash:
    """A store (devid.store.Store) of which every item is these bytes."""

    def __init__(self, octets):
        self._octets = octets

    def read(self, item):
        return self._octets


def run(name, octets):
    """Give octets to a target. Return ("parsed", digest of what was read) or (class name, "")."""
    try:
        found = _TARGETS[name](octets)
        if hasattr(found, "send"):
            found = _awaited(found)
    except EstError as error:
        str(error)
        return type(error).__name__, ""
    hasher = hashlib.sha256()
    _feed(hasher, found)
    return "parsed", hexlify(hasher.digest()[:8]).decode()


def names():
    """Return the names of all targets, sorted."""
    return sorted(_TARGETS)


def _awaited(coroutine):
    if sys.implementation.name == "micropython":
        return asyncio.run(coroutine)
    # Without an event loop, which would cost a hundred times what is measured here.
    try:
        while True:
            coroutine.send(None)
    except StopIteration as done:
        return done.value


def _feed(hasher, value):
    """Hash what a target read; whatever it is, it has to be made of simple values."""
    if isinstance(value, (list, tuple)):
        hasher.update(b"(")
        for one in value:
            _feed(hasher, one)
        hasher.update(b")")
    elif isinstance(value, str):
        hasher.update(value.encode() + b"\n")
    elif value is None or isinstance(value, (bool, int, float)):
        # Not str(): MicroPython rounds floats in its own way.
        hasher.update(b"%d\n" % (-1 if value is None else int(value * 1000)))
    else:
        hasher.update(bytes(value))


def _all(*steps):
    """Call each step, whatever the others raise; return what they gave, or the error's name."""
    found = []
    for step in steps:
        try:
            one = step()
            found.append(list(one) if hasattr(one, "__next__") else one)
        except EstError as error:
            str(error)
            found.append(type(error).__name__)
    return found


def _text(octets):
    """Return octets as a str of what people could have written: any characters at all."""
    try:
        text = octets.decode()
        # What MicroPython decodes beyond UTF-8, such as halves of surrogate pairs.
        return text if text.encode() == octets and max(text or " ") < "\ud800" else None
    except (UnicodeError, ValueError):
        return None


def _der(octets):
    from pki import der

    return _all(lambda: _walk(der.Reader(octets)), lambda: _walk(der.Reader(octets, ber=True)))


def _walk(reader):
    """Read all elements, each by its tag; no recursion."""
    from pki import der

    open_readers = [reader]
    found = []
    while open_readers:
        reader = open_readers[-1]
        if not reader.more():
            reader.finish()
            open_readers.pop()
            continue
        tag = reader.peek()
        at = reader.pos
        if tag == der.INTEGER:
            found.append("%x" % reader.integer())
        elif tag == der.BOOLEAN:
            found.append(reader.boolean())
        elif tag == der.OID:
            found.append(reader.oid())
        elif tag == der.BIT_STRING:
            found.append(_all(reader.bit_string))
            reader.pos = at
            found.append(_all(reader.named_bits))
            reader.pos = at
            reader.element()
        elif tag & 0x20:
            open_readers.append(reader.enter(tag))
        else:
            found.append(reader.take(tag))
    return found


def _x509(octets):
    from pki import (
        algorithms,
        built_path,
        distribution_point,
        general_name,
        key_kind,
        name,
        oid,
        profile,
        registration_authority,
        renewal,
        server_name,
        x509,
    )

    one = x509.Certificate(octets)

    def extension(kind, read):
        value = one.extension(kind)
        return None if value is None else read(value)

    def points(value):
        found = []
        for point in distribution_point.points(value):
            found.append([point.uris(), point.reasons, point.issuers, point.relative])
        return found

    return [one.version, one.serial_hex] + _all(
        lambda: one.not_before,
        lambda: one.not_after,
        one.extensions,
        lambda: one.basic_constraints,
        lambda: one.key_usage,
        lambda: one.subject_key_identifier,
        lambda: one.authority_key_identifier,
        lambda: x509.allows(one.extension(oid.EXT_KEY_USAGE), server_name.SERVER_AUTH),
        lambda: name.decode(one.subject),
        lambda: name.decode(one.issuer),
        lambda: extension(oid.SUBJECT_ALT_NAME, general_name.decode),
        lambda: extension(oid.CRL_DISTRIBUTION_POINTS, points),
        lambda: server_name.check(one, HOST),
        lambda: registration_authority.own_name(one),
        lambda: registration_authority.is_one(one),
        lambda: algorithms.check_key(one.public_key),
        lambda: algorithms.hash_number(one.signature_algorithm),
        lambda: key_kind.text(key_kind.of_key(one.public_key)),
        lambda: profile.check(one, "it"),
        lambda: built_path.check([one], NOW),
        lambda: renewal.parts(octets),
    )


def _name(octets):
    from pki import name, name_match

    return _all(lambda: name_match.rdns(octets)) + [name.decode(octets)]


def _general_name(octets):
    from pki import general_name

    return general_name.decode(octets)


def _name_constraints(octets):
    """SEQUENCE { NameConstraints, Certificate }."""
    from pki import der, name_constraints, x509

    reader = der.sequence(octets)
    constraints = reader.element(der.SEQUENCE)
    certificate = x509.Certificate(reader.element(der.SEQUENCE))
    reader.finish()
    return name_constraints.check(constraints, certificate)


def _request(octets):
    from pki import key_kind, x509

    return key_kind.text(key_kind.of_key(x509.request_public_key(octets)))


def _extension_request(octets):
    from pki import csrattrs, der

    found = []
    csrattrs.read_extensions(der.sequence(octets), found)
    return found


def _csrattrs(octets):
    from pki import csr_parts, key_wishes
    from pki.csrattrs import CsrAttributes

    found = CsrAttributes(octets)
    rules = ("CN=pump 7,O=Acme", ("dns:pump7.example",), ("digitalSignature",), ("clientAuth",))
    return [found.oids, found.attributes, found.wants_challenge_password] + _all(
        found.extensions,
        found.as_text,
        lambda: key_wishes.unmet(found),
        lambda: csr_parts.parts(rules[0], rules[1], rules[2], rules[3], found),
        lambda: csr_parts.parts(rules[0], (), (), (), found),
    )


def _cms(octets):
    from pki import cms

    return cms.certificates(octets, Limits.MAX_CERTIFICATES)


async def _cmc(octets):
    from pki import cmc_response, cmc_signer, x509

    content, found, signer = cmc_response.opened(octets, Limits)
    if content is None:
        return found
    error = None
    try:
        others = [x509.Certificate(raw) for raw in found]
        await cmc_signer.verify(content, signer, others, [], Limits)
    except EstError as refused:
        error = type(refused).__name__
    return [content, found, signer, error]


def _cmc_status(octets):
    from pki import cmc_status

    return [cmc_status.words(octets, Limits)] + _all(
        lambda: cmc_status.check(octets, b"\x02\x01\x05", b"\x04\x01\x06", NOW, Limits)
    )


async def _crl(octets):
    from pki import crl

    found = []
    for step in (1 << 20, 100):
        view = memoryview(bytearray(512))
        one = await crl.scan(Source(octets, step), view, ISSUER, SERIAL, None, Limits)
        found.append([one.issuer, one.digest, one.signature, one.this_update, one.next_update])
        found[-1] += ["%x" % (n or 0) for n in (one.number, one.base)]
        found[-1] += [one.scope or b"", one.freshest or b"", one.authority_key or b""]
        found[-1] += [one.entry, one.names_issuers]
    if found[0] != found[1]:
        raise AssertionError("a CRL that came in pieces is read otherwise")
    return found[0]


def _distribution_points(octets):
    from pki import distribution_point

    def points():
        return [[one.uris(), one.reasons] for one in distribution_point.points(octets)]

    def scope():
        one = distribution_point._Scope(octets)
        return [one.only_users, one.only_authorities, one.indirect, one.only_attributes]

    found = _all(points, scope)
    if found[0] == "DerError" and found[1] == "DerError":
        return distribution_point.points(octets)
    return found


async def _enveloped(octets):
    from pki import enveloped

    return await enveloped.private_key(octets, KEK)


async def _enveloped_ecdh(octets):
    from pki import enveloped, keys

    return await enveloped.private_key(octets, keys.SoftwareKey(7, b""))


def _decrypted(octets):
    from pki import enveloped

    return enveloped._inside(octets)


async def _private_key(octets):
    from pki import private_key

    return await private_key.read(octets)


def _algorithm(octets):
    from pki import algorithms

    return algorithms.hash_number(octets)


def _public_key(octets):
    from pki import algorithms, key_kind

    return _all(lambda: algorithms.check_key(octets)) + [key_kind.text(key_kind.of_key(octets))]


def _signature(octets):
    from pki import ec, signature

    return ["%x" % number for number in signature.decode_ecdsa(ec.P256, octets)]


def _pem(octets):
    from pki import pem

    return pem.certificates(octets)


async def _http(octets):
    """A whole answer: head, body as est reads it, or the refusal that it means."""
    import est_refusal
    import est_response
    from http_stream import HttpConnection

    found = []
    for step in (1 << 20, 3):
        view = memoryview(bytearray(Limits.CHUNK_SIZE))
        connection = HttpConnection(Source(octets, step), HOST, Limits, view)
        try:
            response = await connection.request("GET", "/.well-known/est/cacerts")
            one = [response.status, sorted(response.headers.items())]
            if response.status in (200, 201):
                one.append(await est_response.body(response, Limits, memoryview(bytearray(64))))
            else:
                reason = await est_refusal.reason(response, Limits)
                error = est_refusal.error(response, reason, Limits, NOW, None)
                one += [str(error), error.reason, getattr(error, "retry_after", 0)]
                await response.discard(Limits.CHUNK_SIZE)
            one.append(connection.reusable)
        except EstError as error:
            one = error
        found.append(one)
    if isinstance(found[0], EstError):
        raise found[0]
    # What was left behind an answer is seen only where it came with it.
    if isinstance(found[1], EstError) or found[0][:-1] != found[1][:-1]:
        raise AssertionError("an answer that came in pieces is read otherwise")
    return found[0]


async def _multipart(octets):
    """A Content-Type on the first line, then the body."""
    import est_serverkeygen

    kind, _, body = octets.partition(b"\n")
    text = memoryview(bytearray(256))
    found = []
    for step in (1 << 20, 1):
        response = Source(body, step)
        response.headers["content-type"] = "".join(
            [chr(c) if 32 <= c < 127 else "?" for c in kind]
        )
        found.append(await est_serverkeygen._parts(response, Limits, text))
    if found[0] != found[1]:
        raise AssertionError("a multipart body that came in pieces is read otherwise")
    return found[0]


async def _body(octets):
    """Base64, PEM or bare DER, as est_response takes them."""
    import est_response

    found = []
    for step in (1 << 20, 5):
        view = memoryview(bytearray(64))
        found.append(await est_response.body(Source(octets, step), Limits, view))
    if found[0] != found[1]:
        raise AssertionError("a body that came in pieces is read otherwise")
    return found[0]


def _challenge(octets):
    """A WWW-Authenticate header, and an Authentication-Info header on the next line."""
    import est_auth
    import est_digest

    # As http_stream gives them.
    lines = "".join([chr(c) if 32 <= c < 127 or c in b"\t\n" else "?" for c in octets])
    header, _, info = lines.partition("\n")
    info = info.replace("\n", " ")
    found = est_auth.challenges(header)
    strongest = est_digest.strongest(found)
    out = [est_auth.offered(header)]
    for scheme, parameters in found:
        out.append([scheme, sorted(parameters.items())])
    if strongest:
        state = est_digest.begin(strongest, ("user", "secret"))
        est_digest.answer(state, "GET", "/")
        est_digest.follow(state, info)
        out.append(state[0])
    return out


def _retry_after(octets):
    import est_refusal

    value = "".join([chr(c) if 32 <= c < 127 else "?" for c in octets[:255]])
    return est_refusal.retry_after(value, NOW)


def _crl_uri(octets):
    import est_revocation

    return est_revocation._split(est_revocation._printable(octets))


def _url(octets):
    import est_redirect
    from devid import settings

    text = _text(octets)
    if text is None:
        return None
    return _all(
        lambda: settings.parse_url(text),
        lambda: est_redirect.parse(text),
        lambda: est_redirect.resolve("/.well-known/est/a/cacerts", text),
    )


_client = []  # one est.Client: making it loads modules and forgets them again


async def _location(octets):
    import est
    import est_redirect

    if not _client:
        _client.append(est.Client(HOST, anchors=[b"0"], redirects=("other.example:8443",)))
    client = _client[0]
    response = Source(b"", 1)
    response.headers["location"] = "".join([chr(c) if 32 <= c < 127 else "?" for c in octets])
    target = await est_redirect.follow(client, "/.well-known/est/cacerts", response)
    found = [target, client._host, client._port]
    if client._home:
        await est_redirect.home(client)
    return found


def _settings(octets):
    from devid import settings

    if b"dev/" in octets or b"proc/" in octets:
        return None  # they name files, and some of those never end
    with open("device.json", "wb") as file:
        file.write(octets)
    one = settings.load("device.json")
    return [one.host, one.port, one.label or "", one.subject, one.san]


def _slot(octets):
    from devid import pending, record, store, trust

    try:
        os.mkdir("slots")
    except OSError:
        pass  # it is there
    with open("slots/a.slot", "wb") as file:
        file.write(octets)
    kept = store.Store("slots")
    found = _all(
        lambda: record.load(kept) is None,
        lambda: trust.load(kept) is None,
        lambda: pending.read(kept) is None,
        kept.load_time,
    )
    return found + [kept._newest() is None]


def _identity(octets):
    from devid import record

    return record.load(Flash(octets))


def _pending(octets):
    from devid import pending

    one = pending.read(Flash(octets))
    return ["%x" % one.until, "%x" % one.tries] + list(one[2:])


def _trust(octets):
    from devid import trust

    one = trust.load(Flash(octets))
    return [one.anchors, one.authorities, one.implicit_off, one.origin, one.pin, one.given]


def _oid(octets):
    from pki import oid_text

    text = _text(octets)
    found = _all(lambda: oid_text.encode(text)) if text is not None else []
    return found + [oid_text.dotted(octets)]


def _time(octets):
    import unix_time
    from pki import der, x509

    reader = der.Reader(octets)
    seconds = x509.read_time(reader)
    reader.finish()
    unix_time.text(seconds)
    return seconds


def _wish(octets):
    """What the settings say of a request: a subject, and a name on each further line."""
    from pki import csr_parts, general_name, name

    text = _text(octets)
    if text is None:
        return None
    lines = text.split("\n")
    return _all(
        lambda: name.decode(name.encode(lines[0])),
        lambda: general_name.decode(general_name.encode(lines[1:])),
        lambda: csr_parts.parts(lines[0], [], lines[1:2], lines[2:]),
    )


def _argument(octets):
    import est_arguments
    from pki import ip_address

    text = _text(octets)
    if text is None:
        return None
    return _all(
        lambda: est_arguments.base_path(text),
        lambda: est_arguments.fingerprint_octets(text),
        lambda: ip_address.octets(text),
        lambda: ip_address.text(octets),
    )


_TARGETS = {
    "algorithm": _algorithm,
    "argument": _argument,
    "body": _body,
    "challenge": _challenge,
    "cmc": _cmc,
    "cmc_status": _cmc_status,
    "cms": _cms,
    "crl": _crl,
    "crl_uri": _crl_uri,
    "csrattrs": _csrattrs,
    "decrypted": _decrypted,
    "der": _der,
    "distribution_points": _distribution_points,
    "enveloped": _enveloped,
    "enveloped_ecdh": _enveloped_ecdh,
    "extension_request": _extension_request,
    "general_name": _general_name,
    "http": _http,
    "identity": _identity,
    "location": _location,
    "multipart": _multipart,
    "name": _name,
    "name_constraints": _name_constraints,
    "oid": _oid,
    "pem": _pem,
    "pending": _pending,
    "private_key": _private_key,
    "public_key": _public_key,
    "request": _request,
    "retry_after": _retry_after,
    "settings": _settings,
    "signature": _signature,
    "slot": _slot,
    "time": _time,
    "trust": _trust,
    "url": _url,
    "wish": _wish,
    "x509": _x509,
}
