"""A simulated board's `network`: a station, in the host's network once it is asked to be.

A file radio.json on the board's flash makes the radio play what real ones do:
    {"ssid": "home", "password": "secret",  other networks are not there, other passwords wrong
     "refusals": 2,         so many attempts fail, as at an access point that restarts
     "silent": 1,           before them, so many end in nothing at all
     "errors": 1,           and before those, so many raise OSError in connect()
     "drop_after": 0.5,     seconds after which the first connection is lost, once
     "jammed": "file"}      there is no radio while such a file is on the board's flash
What it did is counted in `log`, for tests.
"""

import json
import os
import time

import machine

STA_IF = 0

# The numbers of the RP2 port.
STAT_IDLE = 0
STAT_CONNECTING = 1
STAT_GOT_IP = 3
STAT_CONNECT_FAIL = -1
STAT_NO_AP_FOUND = -2
STAT_WRONG_PASSWORD = -3


def _play():
    try:
        with open("radio.json") as file:
            return json.load(file)
    except OSError:
        return {}


class WLAN:
    """The station interface; there is one, however many objects stand for it."""

    IF_STA = STA_IF
    log = []
    _active = False
    _status = STAT_IDLE
    _lost_at = None
    _play = None

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise ValueError("only the station is simulated")
        if WLAN._play is None:
            WLAN._play = _play()

    def active(self, on=None):
        if on is not None:
            WLAN.log.append("on" if on else "off")
            WLAN._active = on
            if not on:
                WLAN._status = STAT_IDLE
        return WLAN._active

    def isconnected(self):
        if WLAN._lost_at is not None and time.time() >= WLAN._lost_at:
            WLAN._lost_at = None
            WLAN._status = STAT_IDLE
        if WLAN._play and self._jammed():
            WLAN._status = STAT_IDLE
        return WLAN._status == STAT_GOT_IP

    def _jammed(self):
        try:
            os.stat(WLAN._play["jammed"])
            return True
        except (KeyError, OSError):
            return False

    def status(self):
        return WLAN._status

    def connect(self, ssid, key=None):
        if not WLAN._active:
            raise OSError("the interface is not active")
        WLAN.log.append("connect")
        WLAN._status = self._answer(WLAN._play, ssid, key)
        if WLAN._status == STAT_GOT_IP and "drop_after" in WLAN._play:
            WLAN._lost_at = time.time() + WLAN._play.pop("drop_after")

    def _answer(self, play, ssid, key):
        if self._jammed():
            return STAT_NO_AP_FOUND
        for name in ("errors", "silent", "refusals"):
            if play.get(name):
                play[name] -= 1
                if name == "errors":
                    raise OSError("Wifi Internal State Error")
                return STAT_CONNECTING if name == "silent" else STAT_CONNECT_FAIL
        if play.get("ssid", ssid) != ssid:
            return STAT_NO_AP_FOUND
        if play.get("password", key) != key:
            return STAT_WRONG_PASSWORD
        return STAT_GOT_IP

    def disconnect(self):
        WLAN.log.append("disconnect")
        WLAN._status = STAT_IDLE

    def config(self, name):
        if name != "mac":
            raise ValueError("unknown config param")
        return b"\x02" + machine.unique_id()[:5]  # locally administered
