"""What the board runs: radio up, identity, and then your application.

The application is a module `app` with `async def main(identity)`. The settings are in
/device.json; devid/settings.py explains them. Replace this file freely: it shows the order.
"""

import asyncio

from devid import DeviceIdentity
from est_errors import EstError

identity = None  # the DeviceIdentity, also at the REPL: identity.status(), identity.approve(...)
failure = None  # the EstError that ended the boot, for whoever imports this module


def load_settings():
    """Return the settings; imported here so that the parser can leave the heap again."""
    from devid import settings

    return settings.load("device.json")


def show(level, text):
    """Print what the identity does; details (logging.DEBUG) are left out."""
    if level >= 20:
        print(text)


async def start():
    """Bring the board up and hand over to the application."""
    global identity
    config = load_settings()
    if config.wifi:
        import wifi

        print("wifi: joining", config.wifi["ssid"])
        await wifi.connect(**config.wifi)
    identity = DeviceIdentity(config, log=show)
    # Sets the clock, too, where it is not set, and waits for a server that says "not yet".
    print("identity:", await identity.ensure(config.max_wait))
    try:
        import app
    except ImportError as error:
        if "'app'" not in str(error):
            raise  # it is there, and something that it imports is not
        print("no app.py: nothing more to do")
        return
    await app.main(identity)


try:
    asyncio.run(start())
except EstError as error:
    # Back to the REPL with one clear line; a power cycle tries again.
    failure = error
    print("failed:", error)
