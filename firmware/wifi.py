"""Joins the Wi-Fi network of the settings."""

import asyncio

import network
from est_errors import NetworkError
from micropython import const

_TIMEOUT = const(30)  # seconds until there is an address


async def connect(ssid, password=None):
    """Join the network; return its network.WLAN once the board has an address.

    Raises NetworkError after 30 s. A board that is connected already stays so.
    """
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    if not wlan.isconnected():
        wlan.connect(ssid, password)
        for _ in range(_TIMEOUT * 5):
            if wlan.isconnected():
                break
            await asyncio.sleep(0.2)
        else:
            raise NetworkError(
                "no connection to the network %r within %d s" % (ssid, _TIMEOUT), "wifi"
            )
    return wlan
