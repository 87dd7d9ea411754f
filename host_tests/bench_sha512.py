"""The part of `make bench` that times SHA-512's two engines: `bench_sha512.main(clock)`.

Prints one JSON object with the ticks of each for a message as long as a certificate; without
"viper" where that engine does not serve, as in 64-bit interpreters.
"""

import gc
import json
import time

from pki import sha512, sha512_portable

_TIMES = 5


def main(clock):
    """Measure and print, in ticks of the clock: an attribute of `time`."""
    message = bytes([i * i & 255 for i in range(1200)])
    engines = {"portable": sha512_portable}
    try:
        from pki import sha512_viper

        if sha512.works(sha512_viper):
            engines["viper"] = sha512_viper
    except ImportError:
        pass
    now = getattr(time, clock)
    figures = {}
    digests = set()
    for name, engine in engines.items():
        took = []
        for _ in range(_TIMES):
            gc.collect()
            hasher = sha512.Sha512(False, engine)
            started = now()
            hasher.update(message)
            digests.add(hasher.digest())
            took.append(time.ticks_diff(now(), started))
        figures[name] = min(took)  # other programs on the computer only add
    assert len(digests) == 1
    print(json.dumps(figures))
