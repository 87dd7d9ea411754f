"""The part of `make bench` that looks for the longest stall: an app.py for a simulated board.

While the identity is renewed, another task takes each turn that it gets. Prints "stall:" and a
JSON object, in seconds of the interpreter's own CPU time: `python`, the longest stretch without a
turn; `tls`, the longest call of the TLS stack, which is C and cannot be interrupted; `load`, the
longest loading of a module, which firmware with the library frozen in does not do; and `viper`,
the longest call of P-256's machine code, which is another on a chip: its stretches are counted
there (tools/stall_cost.py). What these three take is not in `python`.
"""

import asyncio
import builtins
import json
import sys
from asyncio.stream import Stream

import ffi
import tls

_clock = ffi.open("libc.so.6").func("i", "clock", "")  # time.clock() counts milliseconds
_spent = 0.0  # in what is not `python`
_longest = {"python": 0.0, "tls": 0.0, "load": 0.0, "viper": 0.0}
_open_connection = asyncio.open_connection
_real_import = __import__


def cpu_seconds():
    """Return the CPU time that this process has had so far."""
    return _clock() / 1e6


def _timed(kind, function, *arguments):
    global _spent
    before = _spent
    started = cpu_seconds()
    try:
        return function(*arguments)
    finally:
        took = cpu_seconds() - started
        _spent = before + took  # what is within it is in it
        _longest[kind] = max(_longest[kind], took)


def _import(*arguments):
    return _timed("load", _real_import, *arguments)


def _timed_viper(function):
    return lambda *arguments: _timed("viper", function, *arguments)


class _Tls:
    """The module `tls`, with contexts that are timed."""

    def __getattr__(self, name):
        return _Context if name == "SSLContext" else getattr(tls, name)


class _Context:
    """A tls.SSLContext whose calls are timed."""

    def __init__(self, protocol):
        self._real = tls.SSLContext(protocol)

    def load_verify_locations(self, anchor):
        _timed("tls", self._real.load_verify_locations, anchor)

    def load_cert_chain(self, certificates, key):
        _timed("tls", self._real.load_cert_chain, certificates, key)

    def wrap_socket(self, sock, **options):
        return _timed("tls", lambda: self._real.wrap_socket(sock, **options))

    def _set_mode(self, mode):
        self._real.verify_mode = mode

    def _set_callback(self, callback):
        self._real.verify_callback = callback

    verify_mode = property(None, _set_mode)
    verify_callback = property(None, _set_callback)


class _Timed:
    """A TLS socket whose calls are timed."""

    def __init__(self, real):
        self.real = real
        self.setblocking = real.setblocking
        self.close = real.close

    def readinto(self, view):
        count = _timed("tls", self.real.readinto, view)
        if count:  # the handshake is over: to go on would cost more than what is measured
            self.readinto = self.real.readinto
        return count

    def write(self, octets):
        return _timed("tls", self.real.write, octets)


async def _connect(host, port, ssl=None, server_hostname=None):
    found = await _open_connection(host, port, ssl=ssl, server_hostname=server_hostname)
    if ssl:
        found[0].s = ssl.tls.tls = _Timed(found[0].s)
    return found


# asyncio's own methods, but for `real`: a socket that is polled has to be one.
def _readinto(self, view):
    yield asyncio.core._io_queue.queue_read(getattr(self.s, "real", self.s))
    return self.s.readinto(view)


def _drain(self):
    left = memoryview(self.out_buf)
    while len(left):
        yield asyncio.core._io_queue.queue_write(getattr(self.s, "real", self.s))
        count = self.s.write(left)
        if count:
            left = left[count:]
    self.out_buf = b""


async def _take_turns():
    while True:
        started = cpu_seconds() - _spent
        await asyncio.sleep(0)
        _longest["python"] = max(_longest["python"], cpu_seconds() - _spent - started)


async def main(identity):
    """Renew, and print what was measured."""
    # asyncio loads its parts relatively, which only the real __import__ can: before it goes.
    asyncio.wait_for, asyncio.Event, asyncio.Lock, asyncio.StreamReader  # noqa: B018
    builtins.__import__ = _import
    from pki import p256_field

    for name, found in list(p256_field.__dict__.items()):  # their names are short in an .mpy file
        if callable(found):
            setattr(p256_field, name, _timed_viper(found))
    sys.modules["tls"] = _Tls()
    asyncio.open_connection = _connect
    Stream.readinto = _readinto
    Stream.drain = _drain
    task = asyncio.create_task(_take_turns())
    await asyncio.sleep(0)
    for kind in _longest:
        _longest[kind] = 0.0
    done = await identity.renew()
    await asyncio.sleep(0)  # what comes after the last turn of a renewal counts, too
    print("renew:", done)
    task.cancel()
    print("stall: " + json.dumps(_longest))
