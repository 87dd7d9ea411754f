"""A development EST server (RFC 7030, RFC 8951) with a CA of its own; not for production.

async with EstServer(Settings(folder)) as server:
    print(server.url, server.fingerprint)
"""

from estctl.server.running import EstServer, Settings

__all__ = ["EstServer", "Settings"]
