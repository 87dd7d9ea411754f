"""What set-up says: short lines on standard output, and the one kind of error it ends with."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_TAIL = 12  # lines of a failed command that are shown: its own error is at the end


class SetupError(Exception):
    """Something is missing; the text says what, and how to provide it."""


class CommandError(SetupError):
    """A command failed; `output` is the end of what it printed."""

    def __init__(self, text: str, output: str) -> None:
        super().__init__(f"{text}\n{output}" if output else text)
        self.output = output


def headline(error: SetupError) -> str:
    """Return the first line of an error: what is missing."""
    return str(error).splitlines()[0]


def complaint(error: SetupError) -> str:
    """Return the line of an error that says why: apt's own where there is one."""
    own = [line.strip()[3:] for line in str(error).splitlines() if line.strip()[:3] == "E: "]
    return own[0][:240] if own else headline(error)


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(f"[setup] {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what begins now, and after it the time it took."""
    say(text)
    start = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - start:.1f} s")


def run(
    command: Sequence[str],
    *,
    deadline: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> str:
    """Run a command without a terminal; return what it printed.

    Raises CommandError where it fails, is missing, or takes longer than `deadline` seconds.
    """
    shown = " ".join(command[:3])
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=deadline,
            env=env,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is not installed", "") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{shown} ...` took longer than {deadline:.0f} s", "") from error
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        tail = "\n".join(f"    {line[:200]}" for line in lines[-_TAIL:])
        raise CommandError(f"`{shown} ...` failed with status {done.returncode}:", tail)
    return done.stdout
