"""A main.py of your own: the identity is kept renewed beside the application's work.

Copy it to the board as main.py, in place of firmware/main.py, which does the same for an app.py
and joins the Wi-Fi of the settings: here, what brings up the network comes first in start().
"""

import asyncio

import unix_time
from devid import DeviceIdentity

PERIOD = 60  # seconds between two reports


def log(level, text):
    """Print warnings and errors; a renewal that failed is one, and is tried again."""
    if level >= 30:
        print(text)


def changed(identity):
    """Be called after each new certificate or trust anchor; return soon.

    A connection that stands goes on with the old certificate. To use the new one, open it anew,
    with a new identity.ssl_context().
    """
    print("certificate", identity.status()["serial"])


def report(identity):
    """Tell how the identity is, and what comes next."""
    status = identity.status()
    plan = status["next"]
    print("%s; %s at %s" % (status["state"], plan["action"], unix_time.text(plan["when"])))
    if status["last_error"]:
        print("last error:", status["last_error"])


async def work(identity):
    """Do what the device is for."""
    while True:
        try:
            report(identity)
        except MemoryError:
            print("not enough memory for a report now: a renewal has it")
        await asyncio.sleep(PERIOD)


async def start():
    """Have a certificate; then keep it renewed, and work."""
    await identity.ensure(None)  # waits for the network and the server as long as it takes
    identity.on_change = changed
    await asyncio.gather(identity.keep_renewed(), work(identity))


identity = DeviceIdentity.from_settings("device.json", log=log)
asyncio.run(start())
