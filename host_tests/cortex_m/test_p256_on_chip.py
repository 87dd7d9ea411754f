"""P-256 on the chips, with each engine: the right one serves, and computes what OpenSSL's does."""

import ast
import hashlib

import p256_cost
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("cortex_m_built")]

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SCALARS = [1, 2, N - 1, N // 3, (1 << 255) - 1, 0xC51E4753AFDEC1E6B6C6A5B992F43F8DD0C7A8933072708B]
DIGEST = hashlib.sha256(b"message").digest()
CODE = """\
import asyncio, sys
from pki import p256

async def main():
    out = []
    for d in {scalars}:
        point = await p256.multiply_base(d)
        r, s = await p256.sign(d, {digest})
        right = await p256.verify(point, {digest}, r, s)
        wrong = await p256.verify(point, {digest}, r, s ^ 1)
        wrong = wrong or await p256.verify(point, bytes(32), r, s)
        out.append((point, r, s, right, wrong))
    print((out, "portable" if "pki.p256_portable" in sys.modules else "viper"))

asyncio.run(main())
"""


@pytest.mark.parametrize("engine", list(p256_cost.ENGINES))
@pytest.mark.parametrize("chip", ["cortex_m0", "cortex_m3"])
def test_keys_signatures_and_verification_on_the_chip(chip, engine, tmp_path):
    code = CODE.format(scalars=SCALARS, digest=DIGEST)
    found, served = ast.literal_eval(p256_cost.on_chip(chip, engine, code, tmp_path))
    assert served == engine
    for d, (point, r, s, right, wrong) in zip(SCALARS, found, strict=True):
        public = ec.derive_private_key(d, ec.SECP256R1()).public_key()
        numbers = public.public_numbers()
        assert point == (numbers.x, numbers.y), d
        algorithm = ec.ECDSA(Prehashed(hashes.SHA256()))
        public.verify(encode_dss_signature(r, s), DIGEST, algorithm)  # raises where it is wrong
        assert (right, wrong) == (True, False), d
