"""A main.py of your own: the identity is kept renewed beside the application's work.

Copy it to the board as main.py. It takes the place of firmware/main.py, which also joins the Wi-Fi
of the settings; an app.py under that one needs the function `changed` and `identity.status()` only.
"""

import asyncio

import unix_time
from devid import DeviceIdentity

PERIOD = 60  # seconds between two reports


def log(level, text):
    """Print warnings and errors; a failed renewal is one, and is tried again."""
    if level >= 30:
        print(text)


def changed(identity):
    """Be called after each new certificate and each new trust anchor; return soon.

    Connections that stand go on with the old certificate. Who wants the new one in use opens them
    anew: the next identity.ssl_context() has it.
    """
    print("now with certificate", identity.status()["serial"])


async def work(identity):
    """Do what the device is for."""
    while True:
        status = identity.status()
        plan = status["next"]
        print("%s; %s at %s" % (status["state"], plan["action"], unix_time.text(plan["when"])))
        if status["last_error"]:
            print("last error:", status["last_error"])
        await asyncio.sleep(PERIOD)


async def start():
    """Have a certificate, keep it renewed, and work."""
    await identity.ensure(None)  # waits for network and server as long as it takes
    identity.on_change = changed
    task = asyncio.create_task(identity.keep_renewed())  # noqa: RUF006, F841
    await work(identity)


identity = DeviceIdentity.from_settings("device.json", log=log)
asyncio.run(start())
