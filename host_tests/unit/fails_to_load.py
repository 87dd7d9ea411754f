"""A module that takes memory and then cannot be loaded: for test_heap.py."""

ballast = bytearray(20000)
raise ValueError("not to be loaded")
