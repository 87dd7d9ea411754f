"""What an answer that is no success leads to: another request, or the error. Loaded only then."""

from est_errors import DeadlineError

_REDIRECTS = (301, 302, 307, 308)


async def target(client, method, path, response, counts, bound):
    """Return the request-target (str) of the request that comes next, credentials included.

    client: est.Client; method, path: str, what was asked for; response: the http_stream.Response.
    counts: a list of how many challenges were answered and how many redirects may follow, which
    is kept up to date. bound: est_exchange.within(), which may have left the heap. Raises what
    est_refusal makes of an answer that is final.
    """
    status = response.status
    found = None
    if status == 401 and client._credential and not client._provisional:
        import est_auth

        if est_auth.answer(client, response, counts[0]):
            counts[0] += 1
            found = path
    elif (
        (status in _REDIRECTS or (status == 303 and method == "GET"))
        and counts[1]
        and not client._provisional
    ):
        import est_redirect

        counts[1] -= 1
        origin = client._host, client._port
        found = await est_redirect.follow(client, path, response)
        if origin != (client._host, client._port):
            counts[0] = 0  # of what the other one asks for
    if found is None:
        import est_refusal

        limits = client._limits
        try:
            reason = await bound(client, est_refusal.reason(response, limits))
        except DeadlineError:
            reason = ""
        raise est_refusal.error(response, reason, limits, client._now(), client._authorization)
    return found
