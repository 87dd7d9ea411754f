"""Runs first at power-up. Only what can never fail belongs here; main.py does the work."""

import gc

gc.collect()
