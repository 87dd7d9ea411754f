"""Erases a one-time password or token from the settings file: it has served (RFC 7030 6)."""

import json
import os

_SECRETS = ("password", "token", "at_once", "psk_key")


def erase(settings, log):
    """Take the secret out of the settings (devid.settings.Settings) and out of their file.

    The new file is whole before the old one is overwritten, whenever the power fails;
    devid.settings.load() finds it. log: see est. Returns why that was not possible (str; the
    identity is good all the same), or None.
    """
    path = settings.path
    try:
        with open(path, "rb") as file:
            text = file.read()
        values = json.loads(text)
        credential = values["credential"]
        for name in _SECRETS:
            credential.pop(name, None)
        if "certificate" not in credential:
            credential["spent"] = True
            credential.pop("user", None)
            credential.pop("psk_identity", None)
        _replace(path, json.dumps(values).encode(), len(text))
    except (OSError, ValueError, KeyError) as error:
        text = "settings: the one-time secret cannot be erased (%s)" % error.__class__.__name__
        log(40, text)
        return text
    settings.user = settings.password = settings.token = settings.psk = None
    log(20, "settings: the one-time secret is erased")
    return None


def _replace(path, text, size):
    new = path + ".new"
    with open(new, "wb") as file:
        file.write(text)
    with open(path, "r+b") as file:
        file.write(b" " * size)
    rename(path)


def rename(path):
    """Put the file path + ".new" in the place of path."""
    new = path + ".new"
    try:
        os.rename(new, path)
    except OSError:  # FAT does not rename over a file
        try:
            os.remove(path)
        except OSError:
            pass  # a power cut came after this
        os.rename(new, path)
