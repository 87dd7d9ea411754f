import sys
from binascii import hexlify

from pki import sha512, sha512_portable

# First halves of the digests of bytes 0, 1, 2, ... up to n, around the borders of a block; from
# hashlib, which is OpenSSL's.
KNOWN = (
    (0, "38b060a751ac96384cd9327eb1b1e36a", "cf83e1357eefb8bdf1542850d66d8007"),
    (3, "4f895854c1a4fc5aa2e0456eaf8d0eca", "8081da5f9c1e3d0e1aa16f604d5e5064"),
    (111, "f5f9fe110d809d34029de262a01b2083", "a1a111449b198d9b1f538bad7f3fc102"),
    (112, "33ba080ec0ccb378e4e95fed3b26c23a", "c5fbd731d19d2ae1180f001be72c2c1a"),
    (127, "d5fcfe2fcf6b3ef375ede37c8123d9b7", "eab89674feaa34e27aebeeff3c0a4d70"),
    (128, "ca2385773319124534111a36d0581fc3", "1dffd5e3adb71d45d2245939665521ae"),
    (239, "2556cf077a788c49bb6d600f4a3cee63", "cb4c7fd522756d5781ad3a4f590a1d86"),
    (240, "d64769ad58f5a338669b935f3431e5be", "6c48466c9f6c07e4ab762c696b7eeb35"),
    (300, "69672aca50c4279e4cdf788380294d76", "f1dca2eb677b303265b0b9baff0e0612"),
)


# Viper is for 32-bit processors, as boards have them.
FAST = sys.implementation.name == "micropython" and sys.maxsize < 1 << 32


def engines():
    """Each engine that is to serve here; None: the one that is chosen."""
    found = [None, sha512_portable]
    if FAST:
        from pki import sha512_viper

        found.append(sha512_viper)
    return found


def digest(message, sha384, engine):
    """The digest, with the message fed in pieces of uneven sizes."""
    hasher = sha512.Sha512(sha384, engine)
    at, size = 0, 1
    while at < len(message):
        hasher.update(message[at : at + size])
        at, size = at + size, 2 * size + 1
    return hasher.digest()


def test_known_digests_around_the_borders_of_a_block():
    for engine in engines():
        for size, half384, half512 in KNOWN:
            message = bytes([i & 255 for i in range(size)])
            for given in (message, memoryview(message), bytearray(message)):
                assert hexlify(digest(given, True, engine))[:32] == half384.encode()
                assert hexlify(digest(given, False, engine))[:32] == half512.encode()


def test_the_examples_of_fips_180():
    for engine in engines():
        assert hexlify(digest(b"abc", False, engine)) == (
            b"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            b"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        )
        assert hexlify(digest(b"abc", True, engine)) == (
            b"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            b"8086072ba1e7cc2358baeca134c825a7"
        )


def test_blocks_of_the_largest_and_the_smallest_words():
    # Each carry there is, and none; the digests are hashlib's.
    for engine in engines():
        assert (
            hexlify(digest(b"\xff" * 384, False, engine))[:32]
            == b"7e6a20f06722cf386387ed4a43e967e4"
        )
        assert (
            hexlify(digest(bytes(384), False, engine))[:32] == b"76e8fcc5fed51a49e26955fff1088610"
        )


def test_the_engines_agree_on_random_blocks():
    from pki import entropy

    for _ in range(20):
        message = entropy.octets(300)
        found = [digest(message, False, engine) for engine in engines()]
        assert found == [found[0]] * len(found)


def test_the_fast_engine_serves_where_it_can():
    name = sha512.Sha512()._engine.__name__
    assert name == ("pki.sha512_viper" if FAST else "pki.sha512_portable")


def test_an_engine_that_fails_its_known_answer_does_not_serve():
    class Broken:
        start = staticmethod(sha512_portable.start)
        octets = staticmethod(sha512_portable.octets)

        @staticmethod
        def compress(state, block, constants):
            sha512_portable.compress(state, block, constants)
            state[7] ^= 1 << 63

    assert sha512.works(sha512_portable)
    assert not sha512.works(Broken)
    if FAST:
        return
    try:
        from pki import sha512_viper
    except (AttributeError, SyntaxError):
        return  # CPython, or no machine code
    assert not sha512.works(sha512_viper)  # 64-bit registers
