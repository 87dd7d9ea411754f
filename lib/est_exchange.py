"""One operation of est.Client over HTTP; what is no success goes to est_detour.

It leaves the heap with the connection, before what came is checked.
"""

import asyncio

from est_errors import DeadlineError, EstError, NetworkError, TrustError, at
from heap import forget
from micropython import const

_INFO = const(20)  # of logging


async def operation(client, method, name, content_type, body, nothing, read):
    """Perform one operation; return the decoded body, or None for a status in `nothing`.

    read: what reads the body of a success, or the name of it in est_response. Whatever goes wrong
    closes the connection and names the operation.
    """
    if client._provisional and name != "cacerts":
        raise TrustError("an unverified server is asked for /cacerts alone", name)
    try:
        return await _exchange(
            client, method, client._path + name, content_type, body, nothing, read
        )
    except EstError as error:
        await client.close()
        raise at(name, error)
    except asyncio.CancelledError:
        await client.close()
        raise
    finally:
        if client._home:
            import est_redirect

            await est_redirect.home(client)


async def _exchange(client, method, path, content_type, body, nothing, read):
    """Send a request until its final answer: authentication and redirects included."""
    counts = [0, client._limits.MAX_REDIRECTS]
    while True:
        response = await _request(client, method, path, content_type, body)
        status = response.status
        if "authentication-info" in response.headers and isinstance(client._authorization, list):
            import est_digest

            est_digest.follow(client._authorization, response.headers["authentication-info"])
        if status in nothing:
            await _past(client, response)
            return None
        if status in (200, 201):
            if read != "certificates":
                # What reads a body whole takes the place of garbage, and leaves a large piece.
                forget()
            if not callable(read):
                import est_response

                read = getattr(est_response, read or "body")
                del est_response
            return await within(client, read(response, client._limits, client._text))
        import est_detour

        path = await est_detour.target(client, method, path, response, counts, within)
        await _past(client, response)
        # It holds its connection, which may be closed by now, and a new one wants the room.
        response = est_detour = None
        forget("est_auth", "est_detour", "est_redirect")


async def _request(client, method, path, content_type, body):
    """Send one request over the kept connection, or a new one; return the Response."""
    headers = [("Accept", "*/*")]
    if content_type:
        headers.append(("Content-Type", content_type))
        if client.original_spec:
            headers.append(("Content-Transfer-Encoding", "base64"))
    client._resume()
    http = client._http
    if http and (http.once or http.reusable):
        try:
            return await _send(client, method, path, headers, body)
        except DeadlineError:
            raise
        except NetworkError:
            if http.once:
                raise
            # Servers close a kept connection without saying so (libest after a 401).
            client._log(_INFO, "the server closed the connection")
    http = None
    await client.connect()
    return await _send(client, method, path, headers, body)


async def _send(client, method, path, headers, body):
    authorization = client._authorization
    if authorization and not client._provisional:
        if not isinstance(authorization, str):
            import est_digest

            # Each has a count of its own, also where a request is sent again.
            authorization = est_digest.answer(authorization, method, path)
        headers = headers + [("Authorization", authorization)]
    if callable(body):
        body = await body()  # for this very connection
    response = await within(client, client._http.request(method, path, headers, body))
    if client._psk:
        import est_psk

        est_psk.answered(client)
    return response


async def within(client, step):
    """Bound one whole step of an exchange, however slowly its bytes trickle."""
    try:
        return await asyncio.wait_for(step, client._limits.REQUEST_TIMEOUT)
    except asyncio.TimeoutError:
        raise DeadlineError("the exchange took longer than %d s" % client._limits.REQUEST_TIMEOUT)


async def _past(client, response):
    """Read the rest of an answer past; a server that breaks off costs a new connection."""
    if client._http:
        try:
            await within(client, response.discard(client._limits.CHUNK_SIZE))
        except EstError:
            await client.close()
