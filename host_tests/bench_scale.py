"""The part of `make bench` that compares interpreters: `bench_scale.main()`.

Prints one JSON object: what byte code takes (digits of scalars) and big integers (sums of points),
in seconds of CPU time, or in ticks on a machine that counts instructions.
"""

import gc
import json
import time

from pki import ec, jacobian

_TIMES = 20


def _byte_code():
    for _ in range(4):
        jacobian.wnaf(ec.P256.n // 3, 32, 4)


def _big_integers():
    point = ec.P256.g + (1,)
    for _ in range(4):
        point = jacobian.double(ec.P256.p, point)


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
