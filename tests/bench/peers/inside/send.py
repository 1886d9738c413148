"""`python -m tests.bench.peers.inside.send COMMAND ARGUMENTS…`: a management command, again as soon as it has ended.

As from cron, but without a new interpreter each time.
"""

import sys
import time

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    while True:
        call_command(*sys.argv[1:])
        time.sleep(0.1)
