"""Networks that fail, inside TLS: after so many octets of an answer, half of it by default."""

from estctl.server.faults.line import Answer, Fault, Line, Spoil

_LATE = 3  # seconds
_A_WHILE = 1  # second between two octets


async def _cut(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    line.cut()


async def _cut_with_notify(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    line.close()


async def _reset(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    line.reset()


async def _delay(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    await line.silence()


async def _late(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    await line.wait(_LATE)
    await line.send(answer.octets[answer.at :])


async def _trickle(line: Line, answer: Answer) -> None:
    await line.send(answer.octets[: answer.at])
    for octet in answer.octets[answer.at :]:
        await line.send(bytes([octet]))
        await line.wait(_A_WHILE)


async def _duplicate(line: Line, answer: Answer) -> None:
    await line.send(answer.octets * 2)  # at once: what comes later may pass for a later answer
    await line.silence()


def _at(name: str, about: str, spoil: Spoil, at_first: bool = False, keeps: bool = False) -> Fault:
    """Return a fault that has a place: the beginning of the answer, or its middle."""
    place = _first if at_first else _half
    return Fault(name, about, spoil, keeps, place, in_the_middle=True)


def _first(length: int) -> int:
    return 0


def _half(length: int) -> int:
    return length // 2


FAULTS = (
    _at("cut", "TCP ends (FIN) in place of the answer, without close_notify", _cut, True),
    _at("truncate", "the same in the middle of the answer", _cut),
    _at("truncate-notify", "the answer ends in its middle, with close_notify", _cut_with_notify),
    _at("reset", "TCP is reset (RST) in the middle of the answer", _reset),
    _at("delay", "nothing more comes, for ever, and nothing ends", _delay, True),
    _at("late", f"the answer comes {_LATE} seconds late: nothing wrong", _late, True, keeps=True),
    _at("trickle", "one octet of the answer a second", _trickle, True),
    Fault("duplicate", "the answer comes twice", _duplicate),
)
