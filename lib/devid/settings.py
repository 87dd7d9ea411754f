"""The device's settings file, /device.json: read once, checked whole, explained when wrong.

    {
      "url": "https://est.example.com:8443/factory",
      "trust": {"fingerprint": "SHA-256 of the CA's root certificate, hex"},
      "credential": {"user": "device", "password": "one-time code"},
      "subject": "O=Acme,CN=pump-{unique_id}",
      "san": ["dns:pump-{unique_id}.example.com"]
    }

`trust` may instead name a file of the CA's certificates, {"anchors": "/ca.pem"}, or a maker's
bundle for the first contact, {"implicit": "/bundle.pem"} (PEM or DER). Without any of these a
person approves what the server shows. `credential` may name files instead, {"certificate":
"/idevid.der", "key": "/idevid.key"} (DER), or be a {"token": "..."}. A password or token is erased
from the file once the first certificate is stored, unless "keep" is true: then it serves again.
`redirects` lists other hosts ("HOST[:PORT]") to which the server may send the device.
"""

import json
from binascii import hexlify, unhexlify

from est_errors import ConfigError, EstError

# name: (accepted types, what to write)
_SCHEMA = {
    "url": (str, "https://HOST[:PORT][/LABEL]"),
    "trust": (
        dict,
        'one of {"fingerprint": SHA-256 or SHA-512 in hex}, {"anchors": FILE} and {"implicit": '
        'FILE or false}, and with it "keep_implicit": true, "new_roots": "any", "revocation": '
        '"soft" or "hard"',
    ),
    "credential": (
        dict,
        'one of {"user", "password"}, {"psk_identity", "psk_key"} (hex), and {"token"}, which '
        '"at_once": true may follow; with "keep": true where it is to serve again; or '
        '{"certificate", "key"}, or these and one of those',
    ),
    "redirects": (list, "a list of texts HOST[:PORT]"),
    "subject": (str, "a text such as CN=pump-{unique_id}"),
    "san": (list, "a list of texts such as dns:pump-{unique_id}.example.com"),
    "key_usage": (list, "a list of names of RFC 5280 such as digitalSignature"),
    "ext_key_usage": (list, "a list of names of RFC 5280 such as clientAuth"),
    "csrattrs": (bool, "false where the server need not be asked what it wants in a request"),
    "original_spec": (bool, "true where the server wants Content-Transfer-Encoding (RFC 7030)"),
    "link": (str, '"optional" or "required" (RFC 7030 3.5)'),
    "renew_at": (
        (int, float),
        "0.1 to 0.9: the part of a certificate's life after which it is renewed",
    ),
    "rekey": (bool, "false where a renewal is to keep the key"),
    "max_wait": (int, "the seconds (0 or more) that a boot waits in all"),
    "storage": (str, "the folder that keeps the identity"),
    "wifi": (dict, '{"ssid", "password"}'),
    "ntp": ((str, bool), "the name of a time server, or false"),
}
# Sets of names that go together; a person's approval needs no trust at all.
_INNER = {
    "credential": (
        ("password", "user"),
        ("psk_identity", "psk_key"),
        ("token",),
        ("spent",),
        (),
    ),
    "wifi": (("password", "ssid"), ("ssid",)),
}
_FLAGS = ("at_once", "keep", "spent")


class Settings:
    """The settings as attributes; made by parse().

    host, port, label, fingerprint, anchors and implicit (lists of DER), implicit_off,
    keep_implicit (bool), new_roots (None or "any"), revocation (None, "soft" or "hard"), user,
    password, token, at_once (bool), psk (None, or identity and key), redirects (list),
    certificate, key, intermediates (DER), subject, san, key_usage, ext_key_usage, csrattrs,
    original_spec, link (None, "optional" or "required"), max_wait (int or None), storage, wifi
    (dict or None), ntp (str or None). It has no method, so that this module can leave the heap
    before its instances do. keep_secret: whether the secret serves again; path: the file, or
    None; renew_at (0 to 1), rekey (bool).
    """


def load(path):
    """Return the Settings of a JSON file. Raises ConfigError."""
    try:
        values = _json(path)
    except ConfigError:
        values = _replaced(path)
        if values is None:
            raise
    found = parse(values)
    found.path = path
    return found


def _json(path):
    """Return what a JSON file holds; ConfigError where it is not whole."""
    # MicroPython's parser takes an object that was cut off.
    if _read(path).strip()[-1:] != b"}":
        raise ConfigError("settings: %s is not JSON, or was cut off" % path)
    try:
        # From the file: no copy of it stands beside what the parser makes.
        with open(path, "rb") as file:
            try:
                return json.load(file)
            except (ValueError, RuntimeError) as error:  # RuntimeError: too deep for CPython
                # MicroPython's parser does not tell where it stopped, but it reads no further.
                read = file.tell() - 1
                file.seek(0)
                line = getattr(error, "lineno", 0) or file.read(read).count(b"\n") + 1
    except OSError:
        raise _unreadable(path)
    raise ConfigError("settings: %s is not JSON: look at line %d" % (path, line))


def _replaced(path):
    """Return what the new file holds where a power cut came while one_time replaced the old."""
    try:
        values = _json(path + ".new")
    except ConfigError:
        return None
    from devid import one_time

    one_time.rename(path)
    return values


def parse(values):
    """Return the Settings of the file's dict.

    Raises ConfigError naming the setting and what to write.
    """
    _check(values)
    found = Settings()
    found.host, found.port, found.label = parse_url(values["url"])
    _take_trust(found, values.get("trust", {}))
    credential = values.get("credential", {})
    found.user = credential.get("user")
    found.password = credential.get("password")
    found.token = credential.get("token")
    found.at_once = credential.get("at_once", False)
    found.keep_secret = credential.get("keep", False)
    found.path = None
    found.psk = None
    if "psk_key" in credential:
        try:
            found.psk = (credential["psk_identity"], unhexlify(credential["psk_key"]))
        except ValueError:
            raise ConfigError("settings: credential: psk_key is no hex")
    found.redirects = _origins(values.get("redirects", ()))
    found.certificate = found.key = None
    found.intermediates = []
    if "certificate" in credential:
        chain = _certificates(credential["certificate"])
        found.certificate, found.intermediates = chain[0], chain[1:]
        found.key = _read(credential["key"])
    found.subject = _fill(values.get("subject", ""))
    found.san = [_fill(entry) for entry in values.get("san", ())]
    if not found.subject and not found.san:
        raise ConfigError("settings: give a subject, or san")
    found.key_usage = values.get("key_usage", ())
    found.ext_key_usage = values.get("ext_key_usage", ())
    found.csrattrs = values.get("csrattrs", True)
    found.original_spec = values.get("original_spec", False)
    found.link = values.get("link")
    found.max_wait = values.get("max_wait")
    found.renew_at = values.get("renew_at", 0.667)
    found.rekey = values.get("rekey", True)
    found.storage = values.get("storage", "identity")
    found.wifi = values.get("wifi")
    ntp = values.get("ntp", "pool.ntp.org")
    found.ntp = "pool.ntp.org" if ntp is True else ntp or None
    return found


def parse_url(url):
    """Return (host, port, label or None) of https://HOST[:PORT][/LABEL]. Raises ConfigError."""
    if not url.startswith("https://"):
        raise ConfigError("settings: the URL must begin with https:// (RFC 7030 3.3)")
    authority, _, label = url[8:].partition("/")
    label = label.strip("/")
    if label.startswith(".well-known/est"):
        label = label[15:].strip("/")
    host, port = authority, ""
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else "" if not rest else "x"
    elif ":" in authority:
        host, _, port = authority.partition(":")
    # As bytes: of text CPython takes the digits of all scripts.
    number = int(port[:6]) if port.encode().isdigit() else 443 if not port else 0
    if not host or "@" in host or not 0 < number < 65536:
        raise ConfigError("settings: the URL is not https://HOST[:PORT][/LABEL]")
    return host, number, label or None


def _check(values):
    if not isinstance(values, dict):
        raise ConfigError("settings: one JSON object is needed")
    for name, value in values.items():
        if name not in _SCHEMA:
            from devid import spelling

            raise ConfigError(
                "settings: unknown name %s; %s" % (name, spelling.suggestion(name, _SCHEMA))
            )
        kind, wanted = _SCHEMA[name]
        good = isinstance(value, kind) and (not isinstance(value, str) or _text(value))
        if kind is list:
            good = good and all(map(_text, value))
        elif name == "link":
            good = value in ("optional", "required")
        elif name == "renew_at":
            good = good and 0.1 <= value <= 0.9
        elif name == "max_wait":  # CPython's True is an int
            good = good and value is not True and value is not False and value >= 0
        elif kind is dict:
            good = good and _complete(name, value)
        if not good:
            raise ConfigError("settings: %s is %s" % (name, wanted))
    if "url" not in values:
        raise ConfigError("settings: url is missing; it is " + _SCHEMA["url"][1])


def _text(value):
    """Return whether a value is a text; CPython takes halves of surrogate pairs from JSON."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except ValueError:
        return False


def _take_trust(found, trust):
    """Fill in what the trust object says; _complete() has checked it."""
    implicit = trust.get("implicit")
    found.fingerprint = trust.get("fingerprint")
    found.anchors = _certificates(trust["anchors"]) if "anchors" in trust else []
    found.implicit = _certificates(implicit) if implicit else []
    found.implicit_off = implicit is False
    found.keep_implicit = trust.get("keep_implicit", False)
    found.new_roots = trust.get("new_roots")
    revocation = trust.get("revocation")
    found.revocation = None if revocation == "off" else revocation


def _trust_complete(trust):
    """Return whether the trust object names at most one source of trust, and only known values."""
    sources = 0
    for name, value in trust.items():
        if name in ("fingerprint", "anchors"):
            good = _text(value) and value != ""
            sources += 1
        elif name == "implicit":
            good = value is False or (_text(value) and value != "")
            sources += 1 if value else 0
        elif name == "keep_implicit":
            good = isinstance(value, bool)
        elif name == "new_roots":
            good = value == "any"
        else:
            good = name == "revocation" and value in ("off", "soft", "hard")
        if not good:
            return False
    return sources <= 1


def _complete(name, value):
    """Return whether an inner object has exactly one of the allowed sets of names, all texts."""
    if name == "trust":
        return _trust_complete(value)
    for key, inner in value.items():
        if not (isinstance(inner, bool) if key in _FLAGS else _text(inner)):
            return False
    names = sorted(value)
    if name == "credential":
        for flag, needed in (("at_once", "token"), ("keep", None)):
            if flag in names:
                names.remove(flag)
                if not (needed in names if needed else _secret(names)):
                    return False
    if name == "credential" and "certificate" in names and "key" in names:
        names.remove("certificate")
        names.remove("key")
    return tuple(names) in _INNER[name]


def _secret(names):
    return "token" in names or "password" in names or "psk_key" in names


def _origins(texts):
    if texts:
        from est_redirect import parse

        for text in texts:
            if parse(text) is None:
                raise ConfigError("settings: redirects: %s is not HOST[:PORT]" % text)
    return texts


def _fill(template):
    """Replace {unique_id} and {mac} by this board's."""
    if "{unique_id}" in template:
        import machine

        template = template.replace("{unique_id}", hexlify(machine.unique_id()).decode())
    if "{mac}" in template:
        import network

        mac = network.WLAN(network.STA_IF).config("mac")
        template = template.replace("{mac}", hexlify(mac).decode())
    if "{" in template:
        raise ConfigError("settings: %s: only {unique_id} and {mac} are known" % template)
    return template


def _certificates(path):
    from pki import pem

    content = _read(path)
    try:
        return pem.certificates(content)
    except EstError as error:
        raise ConfigError("settings: %s: %s" % (path, error.message))


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError):  # ValueError: a name that can be none
        raise _unreadable(path)


def _unreadable(path):
    return ConfigError("settings: the file %s cannot be read" % path)
