"""What the board runs: radio up, identity, and then your application.

The application is a module `app` with `async def main(identity)`; beside it the certificate is
kept renewed, and `identity.on_change`, a function that it may set, is called after each change.
The settings are in /device.json; devid/settings.py explains them. Replace this file freely: it
shows the order.

Without max_wait in the settings it never gives up: a network or a server that is down is tried
again for as long as it takes; so is a server that is not trusted while the clock is not set, or is
what NTP said. What no waiting mends (settings, storage, any other server that must not be trusted)
ends at the REPL with one line.
"""

import asyncio

import unix_time
from devid import DeviceIdentity
from est_errors import (
    ApprovalNeeded,
    ConfigError,
    EstError,
    KeyFault,
    StorageError,
    TrustError,
)
from heap import forget

identity = None  # the DeviceIdentity, also at the REPL: identity.status(), identity.approve(...)
failure = None  # the EstError that ended the boot, for whoever imports this module
tasks = []  # what runs in the background


def log(level, text):
    """Print what the library and wifi.py report; details (logging.DEBUG) are left out."""
    if level >= 20:
        print(text)


def load_settings():
    """Return the settings; imported here so that the parser can leave the heap again."""
    from devid import settings

    return settings.load("device.json")


def enrolled():
    """Return whether there is a certificate on flash."""
    try:
        return identity.status()["enrolled"]
    except EstError:
        return False


async def ensure(config):
    """Have a certificate: identity.ensure(), again and again without max_wait in the settings."""
    tries = 0
    while True:
        try:
            # Sets the clock, too, where it is not set, and waits for a server that is not ready.
            return await identity.ensure(config.max_wait)
        except (ApprovalNeeded, ConfigError, KeyFault, StorageError):
            raise
        except EstError as error:
            # What is left is a refusal or a strange answer: somebody may mend that. So does NTP,
            # once it answers rightly, where the clock is why a server was not trusted.
            trust = isinstance(error, TrustError)
            if config.max_wait is not None or (
                trust and not (config.ntp and identity.clock_assumed)
            ):
                raise
            import est_limits
            from devid import schedule

            wait = schedule.backoff(tries, est_limits.RETRY_FIRST, est_limits.RETRY_MAX)
            print("%s; trying again in %d s" % (error, wait))
        del schedule  # a name is enough to hold a module in the heap
        tries += 1
        await unix_time.sleep(wait)


async def bring_up():
    """Join the network, and have a certificate."""
    global identity
    config = load_settings()
    identity = DeviceIdentity(config, log=log)
    if config.wifi:
        import wifi

        tasks.append(await wifi.join(config.wifi, config.max_wait, enrolled(), log))
    print("identity:", await ensure(config))


async def start():
    """Bring the board up and hand over to the application."""
    try:
        await bring_up()
    except MemoryError:
        raise EstError("not enough memory: the heap is too small", "boot")
    try:
        import app
    except ImportError as error:
        if "'app'" not in str(error):
            raise  # it is there, and something that it imports is not
        print("no app.py: nothing more to do")
        return
    tasks.append(asyncio.create_task(identity.keep_renewed()))
    await app.main(identity)


# What is under way holds the C stack's words of before as long as it runs: see heap.write_over().
forget()
try:
    asyncio.run(start())
except EstError as error:
    # Back to the REPL with one clear line; a power cycle tries again.
    failure = error
    print("failed:", error)
