"""The part of `make bench` that compares interpreters: `bench_scale.main()`.

Prints one JSON object: what byte code takes (digits of scalars) and big integers (sums of points),
in seconds of CPU time, or in ticks on a machine that counts instructions.
"""

import gc
import json
import time

from pki import jacobian

_TIMES = 20
_P = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1  # of P-256


def _byte_code():
    for _ in range(4):
        jacobian.wnaf(_P // 3, 32, 4)


def _big_integers():
    point = (_P // 5, _P // 7, 1)  # to compute with them takes as long as with any
    for _ in range(4):
        point = jacobian.double(_P, point)


def main():
    """Measure and print."""
    try:
        from bench_stall import cpu_seconds as now
    except ImportError:
        now = time.ticks_cpu
    figures = {}
    for name, work in (("byte_code", _byte_code), ("big_integers", _big_integers)):
        took = []
        for _ in range(_TIMES):
            gc.collect()
            started = now()
            work()
            took.append(now() - started)
        figures[name] = min(took)
    print(json.dumps(figures))
