"""A simulated board's `network`: a station, in the host's network once it is asked to be."""

import machine

STA_IF = 0


class WLAN:
    """The station interface."""

    _connected = False

    IF_STA = STA_IF

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise ValueError("only the station is simulated")

    def active(self, on=None):
        return True

    def isconnected(self):
        return WLAN._connected

    def connect(self, ssid, key=None):
        WLAN._connected = True

    def disconnect(self):
        WLAN._connected = False

    def config(self, name):
        if name != "mac":
            raise ValueError("unknown config param")
        return b"\x02" + machine.unique_id()[:5]  # locally administered
