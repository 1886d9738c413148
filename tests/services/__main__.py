"""`python -m tests.services COMMAND …`: run a command on real services; its exit code is ours."""

import os
import signal
import subprocess
import sys

from tests.services import Missing, services


def main() -> int:
    """Run the command of the arguments."""
    # A first Ctrl-C or TERM is the command's own affair; the services end after it.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with services() as variables, subprocess.Popen(sys.argv[1:], env=os.environ | variables) as command:
            signal.signal(signal.SIGTERM, lambda *_: command.terminate())
            return command.wait()
    except Missing as error:
        sys.exit(f"tests: {error}")


if __name__ == "__main__":
    sys.exit(main())
