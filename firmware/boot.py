"""Runs first at power-up. Only what can never fail belongs here; main.py does the work."""

import gc

gc.collect()
# Collect early and often: a heap of 100 KB that fills with garbage first is fragmented for good.
gc.threshold(4096)
