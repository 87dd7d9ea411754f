import json

from checks import araises, shared
from est_errors import DerError, KeyFault
from pki import ec, ecdh, keys, p256

N = ec.P256.n
# RFC 5903 8.1: two private keys, and the secret that they share.
I = 0xC88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433  # noqa: E741
R = 0xC6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53
SECRET = 0xD6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE


def encoded(point):
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


async def test_the_secret_of_rfc_5903():
    for own, other in ((I, R), (R, I)):
        point = encoded(await p256.multiply_base(other))
        assert int.from_bytes(await ecdh.shared_secret(own, point), "big") == SECRET


async def test_the_64_known_multiples():
    for point in json.loads(shared("p256/points.json"))["points"]:
        found = await ecdh.multiply(int(point["k"], 16), ec.P256.g)
        assert found == (int(point["x"], 16), int(point["y"], 16)), point["k"]


async def test_scalars_at_the_edges():
    base = await p256.multiply_base(3)
    for k in (1, 2, 3, 7, 8, N - 1, N - 2, N - 7, N - 8, (N - 1) // 2, 1 << 255, (1 << 255) - 1):
        assert await ecdh.multiply(k, base) == await p256.multiply_base(3 * k % N), k


async def test_points_that_are_none_are_refused():
    x, y = ec.P256.g
    for bad in (b"", b"\0", encoded((x, y + 1)), encoded((0, 0)), encoded((x, y))[:-1]):
        await araises(DerError, ecdh.shared_secret(5, bad))


async def test_a_key_exchanges():
    one, other = await keys.generate(), await keys.generate()
    points = []
    for key in (one, other):
        points.append((await key.public_key())[-65:])
    assert await one.exchange(points[1]) == await other.exchange(points[0])
    await araises(DerError, one.exchange(bytes(65)))


async def test_a_p256_key_of_the_host_exchanges_alike():
    try:
        from estctl.host_key import HostKey
    except ImportError:
        return  # a board
    key = await keys.load(await HostKey.generate().private_bytes())
    host = HostKey.load(await key.private_bytes())
    point = (await (await keys.generate()).public_key())[-65:]
    assert await host.exchange(point) == await key.exchange(point)
    await araises(DerError, host.exchange(bytes(65)))
    from cryptography.hazmat.primitives.asymmetric import rsa

    rsa_key = HostKey(rsa.generate_private_key(65537, 2048))
    assert "RSA" in str(await araises(KeyFault, rsa_key.exchange(point)))
