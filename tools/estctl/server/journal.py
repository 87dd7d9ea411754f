"""The requests of a scenario as JSON lines, for tests and for people; none holds a secret."""

import json
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from estctl.server import tls


class Journal:
    """DIR/requests.jsonl: a line a request, and one a connection with a client certificate.

    A line has: scenario (or the profiles), connection (a number; null where the request came over
    plain HTTP), method, path, authorization (whether that header was there), client_certificate
    (whether the connection has one), status. For a connection, method, path and status are null.
    """

    def __init__(self, path: Path, scenario: str) -> None:
        self.path = path
        self.scenario = scenario
        path.touch()  # it is there, and empty, also where nobody ever asked

    def connected(self, number: int, certified: bool) -> None:
        """Note a TLS connection with a client certificate."""
        if certified:
            self._add(number, None, False, True, None)

    def middleware(self) -> Middleware:
        """Return a middleware that notes every request."""

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            status = 500
            try:
                response = await handler(request)
                status = response.status
                return response
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                self._note(request, status)

        return middleware

    def _note(self, request: web.Request, status: int) -> None:
        transport = request.transport
        certified = bool(transport and transport.get_extra_info("peercert"))
        authorization = "Authorization" in request.headers
        number = tls.connection_number(request)
        self._add(number, (request.method, request.path), authorization, certified, status)

    def _add(
        self,
        number: int | None,
        asked: tuple[str, str] | None,
        authorization: bool,
        certified: bool,
        status: int | None,
    ) -> None:
        method, path = asked or (None, None)
        line = {
            "scenario": self.scenario,
            "connection": number,
            "method": method,
            "path": path,
            "authorization": authorization,
            "client_certificate": certified,
            "status": status,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
