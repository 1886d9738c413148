"""`python -m tests.bench`: measure, print the table, keep it as JSON under var/bench/."""

import sys
from pathlib import Path

from tests.bench import embedded
from tests.bench.figures import machine, save, show


def main() -> None:
    measured = list(embedded.figures())
    sys.stdout.write(f"{machine()}\n\n{show(measured)}\n")
    save(measured, Path("var/bench/embedded.json"))


if __name__ == "__main__":
    main()
