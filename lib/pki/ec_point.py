"""Points of the curves of pki.ec, as keys and signatures carry them (SEC 1 2.3.4)."""

from est_errors import DerError


def decode(curve, octets):
    """Return the affine (x, y) of an uncompressed SEC 1 point (bytes-like).

    Raises DerError where it is not one, is out of range, or is not on the curve.
    """
    size = curve.size
    fault = "this is not an uncompressed point"
    if len(octets) == 1 + 2 * size and octets[0] == 4:
        x = int.from_bytes(bytes(octets[1 : 1 + size]), "big")
        y = int.from_bytes(bytes(octets[1 + size :]), "big")
        p = curve.p
        if x < p and y < p and not (y * y - (x * x - 3) * x - curve.b) % p:
            return x, y
        fault = "the point is not on the curve"
    raise DerError("EC: " + fault)
