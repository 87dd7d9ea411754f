"""Two ways to lose an identity, which cut_everywhere.py has to notice; runs in MicroPython."""

import os

NAME = "/flash/identity"


def write(name, text):
    """Write a file of three blocks."""
    with open(name, "w") as file:
        for _ in range(300):
            file.write(text)


def read(name):
    """Return "old" or "new": what a file holds from its beginning to its end."""
    with open(name) as file:
        text = file.read()
    for state in ("old", "new"):
        if text == state * 300:
            return state
    raise ValueError("half a file")


class InPlace:
    """The old file is removed before the new one is there."""

    def prepare(self):
        """Write the old file."""
        write(NAME, "old")

    def action(self):
        """Remove it, and write the new one."""
        try:
            os.remove(NAME)
        except OSError:
            pass
        write(NAME, "new")

    def check(self):
        """Tell which one is there."""
        try:
            return read(NAME)
        except OSError:
            raise ValueError("no file")


class TwoFiles:
    """Key and certificate are two files, each replaced safely; but not together."""

    def prepare(self):
        """Write both old ones."""
        write(NAME + ".key", "old")
        write(NAME + ".cert", "old")

    def action(self):
        """Replace one after the other."""
        for end in (".key", ".cert"):
            write(NAME + ".new", "new")
            os.rename(NAME + ".new", NAME + end)

    def check(self):
        """Tell which ones are there."""
        state = read(NAME + ".key")
        if read(NAME + ".cert") != state:
            raise ValueError("the key is not the certificate's")
        return state


SCENARIOS = (InPlace, TwoFiles)
