"""Breaks valid inputs, so that they are nearly right.

DER is taken apart into its elements, which are removed, doubled, swapped, nested, and given other
tags, lengths and contents; everything else is broken by lines and by octets. A random.Random
chooses, and hypothesis its seed: to draw each step by itself takes twenty times as long.
"""

from random import Random

_MOST = 32  # levels of what is nested on purpose: the reader takes 20
HUGE = (0x7F, 0x80, 0xFF, 0x8000, 0x10000, 0xFFFFFF)
# What a parser could stumble over, of all formats.
TOKENS = (
    [b"\0", b"\xff", b"\x80", b"\0\0", b"\x30\x80", b"\x1f\x81\x01", b"\x84\xff\xff\xff\xff"]
    + [b"\r\n", b"\n", b": ", b"--", b"=", b"==", b'"', b"\\", b",", b";", b"  ", b"\t", b"[" * 3]
    + [b"-1", b"9" * 30, b"1e999", b"\xc2\xb2", b"\xc2\x9b", b"\xed\xa0\x80", b"\xc0\x80", b"%00"]
    + [b"HTTP/1.1 100 C\r\n\r\n", b"-----BEGIN CERTIFICATE-----", b"../", b"{", b"null", b"NaN"]
)
VALUES = (
    [b"", b"\x05\x00", b"\x02\x01\xff", b"\x30\x00", b"\x01\x01\x01", b"\x03\x01\x07", b"\x02\x00"]
    + [b"\x0c\x02\xc2\x9b", b"\x17\x0d991332250000Z", b"\x06\x01\x80", b"\x06\x02\x80\x01"]
    + [b"\x02\x82" + size.to_bytes(2, "big") + b"\x7f" * size for size in (600, 1700, 1701, 2000)]
)
TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x1E, 0x30, 0x31, 0x80, 0xA0)


def broken(octets: bytes, random: Random) -> bytes:
    """Return octets with something wrong, or right after all."""
    nodes = parse(octets)
    if nodes and random.random() < 0.7:
        return _der(nodes, random)
    return _octets(octets, random) if nodes else random.choice((_octets, _lines))(octets, random)


def _length(size):
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 + len(octets)]) + octets


def _tlv(tag, contents):
    return bytes([tag]) + _length(len(contents)) + contents


def _nested(depth, contents):
    for _ in range(depth):
        contents = _tlv(0x30, contents)
    return contents


def parse(octets, depth=0):
    """Return a list of [tag, bytes or list] of what is DER, else None."""
    found, at = [], 0
    while at < len(octets):
        if len(octets) - at < 2:
            return None
        tag, size, at = octets[at], octets[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count < 4 or at + count > len(octets):
                return None
            size, at = int.from_bytes(octets[at : at + count], "big"), at + count
        if at + size > len(octets):
            return None
        contents, at = octets[at : at + size], at + size
        inner = None
        # Of OCTET STRINGs those that wrap DER: extensions, keys, what is signed.
        if depth < 40 and (tag & 0x20 or (tag == 0x04 and contents[:1] in (b"\x30", b"\x02"))):
            inner = parse(contents, depth + 1)
        found.append([tag, contents if inner is None else inner])
    return found


def encode(nodes):
    """Return the octets of what parse() gave; bytes among the nodes stay as they are."""
    return b"".join(
        node if isinstance(node, bytes) else _tlv(node[0], _contents(node)) for node in nodes
    )


def _contents(node):
    return node[1] if isinstance(node[1], bytes) else encode(node[1])


def _places(nodes, found):
    """Return all (list, index) of a tree."""
    for i, node in enumerate(nodes):
        found.append((nodes, i))
        if isinstance(node, list) and isinstance(node[1], list):
            _places(node[1], found)
    return found


def _copy(node):
    if isinstance(node, bytes):
        return node
    tag, contents = node
    return [tag, contents if isinstance(contents, bytes) else [_copy(one) for one in contents]]


def _der(nodes, random):
    """Break one element, or a few."""
    for _ in range(random.choice((1, 1, 2, 3))):
        places = _places(nodes, [])
        if not places:
            break
        siblings, i = random.choice(places)
        if isinstance(siblings[i], bytes):
            continue
        _break_element(siblings, i, places, random)
    return encode(nodes)


def _break_element(siblings, i, places, random):
    node = siblings[i]
    tag, contents = node[0], _contents(node)
    how = random.randrange(12)
    if how == 0:
        siblings.pop(i)
    elif how == 1:
        siblings[i:i] = [_copy(node) for _ in range(random.choice((1, 1, 1, 9)))]
    elif how == 2:
        other, j = random.choice(places)
        if j < len(other):
            siblings[i] = _copy(other[j])
    elif how == 3:
        siblings[i] = random.choice(VALUES)
    elif how == 4:
        node[0] = random.choice(TAGS) if random.random() < 0.8 else random.randrange(256)
    elif how == 5:  # a length that is not its own
        wrong = random.choice((random.randrange(len(contents) + 2), *HUGE))
        siblings[i] = bytes([tag]) + _length(wrong) + contents
    elif how == 6:  # or its own, in more octets than it takes
        count = random.choice((1, 2, 3))
        length = (len(contents) & 0xFF).to_bytes(count, "big")
        siblings[i] = bytes([tag, 0x80 + count]) + length + contents
    elif how == 7:
        siblings[i] = _nested(random.randint(1, _MOST), _tlv(tag, contents))
    elif how == 8:  # BER
        siblings[i] = bytes([tag, 0x80]) + contents + b"\0\0"
    elif isinstance(node[1], bytes):
        node[1] = _octets(contents, random)
    else:
        random.shuffle(node[1])


def _lines(octets, random):
    """Remove, double, move and cut lines."""
    lines = octets.split(b"\n")
    for _ in range(random.choice((1, 1, 2))):
        i, j = random.randrange(len(lines)), random.randrange(len(lines))
        how = random.randrange(5)
        if how == 0 and len(lines) > 1:
            lines.pop(i)
        elif how == 1:
            lines[i:i] = [lines[i]] * random.choice((1, 2, 20))
        elif how == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif how == 3:
            lines[i] = lines[i][: random.randint(0, len(lines[i]))]
        else:
            lines[i] = lines[i] * random.choice((2, 9))
    return b"\n".join(lines)


def _octets(octets, random):
    """Flip bits, cut, and put in what parsers stumble over."""
    out = bytearray(octets)
    for _ in range(random.choice((1, 1, 2, 4))):
        how = random.randrange(6)
        i, j = random.randint(0, len(out)), random.randint(0, len(out))
        if how == 0 and i < len(out):
            out[i] ^= 1 << random.randrange(8)
        elif how == 1:
            del out[i:]
        elif how == 2:
            del out[i : i + random.randint(1, 8)]
        elif how == 3:
            out[i:i] = random.choice(TOKENS)
        elif how == 4:
            out[i:i] = random.randbytes(random.randint(1, 4))
        else:
            out[i:i] = out[j : j + random.randint(1, 64)]
    return bytes(out)
