"""Every mutation breaks something there is: else the product would be whole, and its row prove nothing."""

import subprocess
import sys

from mailgrid.env import BASE_DIR
from tests.chaos.mutations import MUTATIONS
from tests.chaos.registry import rows

_APPLY_ALL = """
import django
django.setup()
from tests.chaos.mutations import MUTATIONS
for mutation in MUTATIONS.values():
    mutation.apply()
"""


def test_every_mutation_replaces_something_that_exists() -> None:
    words = [sys.executable, "-W", "ignore", "-c", _APPLY_ALL]
    done = subprocess.run(words, cwd=BASE_DIR, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_mutation_has_its_row() -> None:
    assert {mutation.row for mutation in MUTATIONS.values()} <= rows().keys()
