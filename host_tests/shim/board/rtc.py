"""The clock of a simulated board in simulated time; only there, so that others have its heap."""

import time

clocks = None  # (board's, world's): files of offsets to real time; set by world.py


def offset(file):
    """Return what a clock is before real time, in seconds (float)."""
    with open(file) as opened:
        return float(opened.read())


class RTC:
    """machine.RTC."""

    def datetime(self, date):
        """Set the clock: year, month, day, weekday, hours, minutes, seconds, subseconds."""
        import unix_time

        seconds = unix_time.from_date(*(date[:3] + date[4:7]))
        text = "%+f\n" % (seconds - time.time() + offset(clocks[0]))
        with open(clocks[0], "w") as file:
            file.write(text)
