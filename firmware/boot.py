"""Runs first at power-up. Only what can never fail belongs here; main.py does the work."""

import gc

gc.collect()
# Collect early and often: a heap of 100 KB that fills with garbage first is fragmented for good.
# A large one need not: to collect each 4 KB would take most of a boot.
gc.threshold(max(4096, gc.mem_free() // 16, (gc.mem_free() - 81920) // 4))
