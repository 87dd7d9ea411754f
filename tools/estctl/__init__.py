"""estctl: the host program of the EST client (server, cacerts, enroll, device, ...).

Importing the package makes the board's library (lib/, with the shim for what CPython lacks)
importable, so that every module here can `import est`.
"""

from estctl import library as library
