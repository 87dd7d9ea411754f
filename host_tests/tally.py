"""What the tests of a hostile world counted: one row a subject, printed when all tests have run.

A test takes the fixture `tally` (conftest.py), names its subject and counts. Rows of the same
subject from several tests, workers and interpreters are added up; `make torture` tries all cases,
`make test` a sample of them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

RESULT = Path(__file__).resolve().parent.parent / "build" / "torture.json"
# Counts that have to be nought, by their field.
NEVER = ("identities_lost", "hangs", "foreign_exceptions")


@dataclass
class Tally:
    """The counts of one subject, such as "a faulty network"."""

    subject: str = ""
    tried: int = 0
    failed_cleanly: int = 0  # ended in an error of est_errors, or of estctl, in words
    recovered: int = 0  # had what it wanted in the end, by itself
    identities_lost: int = 0
    hangs: int = 0
    foreign_exceptions: int = 0  # any other exception, or a crash of the interpreter
    longest_overrun_s: float = 0.0  # seconds beyond the deadline that applied
    heap_growth_per_1000: int | None = None  # bytes; None where it is not measured

    def add(self, other: "Tally") -> None:
        """Add the counts of another test of the same subject."""
        self.tried += other.tried
        self.failed_cleanly += other.failed_cleanly
        self.recovered += other.recovered
        self.identities_lost += other.identities_lost
        self.hangs += other.hangs
        self.foreign_exceptions += other.foreign_exceptions
        self.longest_overrun_s = max(self.longest_overrun_s, other.longest_overrun_s)
        grown = [
            n for n in (self.heap_growth_per_1000, other.heap_growth_per_1000) if n is not None
        ]
        self.heap_growth_per_1000 = max(grown) if grown else None

    def nothing_lost(self) -> bool:
        """Whether every count that has to be nought is, and something was tried."""
        return self.tried > 0 and not any(getattr(self, name) for name in NEVER)


def table(tallies: dict[str, Tally]) -> list[str]:
    """Return the table as lines of Markdown, as the README keeps it."""
    head = ["subject", "tried", "failed cleanly", "recovered", "identities lost", "hangs"]
    head += ["foreign exceptions", "longest over a deadline", "heap growth per 1,000"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in tallies.values():
        grown = row.heap_growth_per_1000
        cells = [row.subject, row.tried, row.failed_cleanly, row.recovered, row.identities_lost]
        cells += [row.hangs, row.foreign_exceptions, f"{row.longest_overrun_s:.1f} s"]
        cells += ["" if grown is None else f"{grown} bytes"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def write(tallies: dict[str, Tally]) -> None:
    """Write all rows to build/torture.json."""
    RESULT.parent.mkdir(exist_ok=True)
    rows = [asdict(tally) for tally in tallies.values()]
    RESULT.write_text(json.dumps(rows, indent=2) + "\n")
