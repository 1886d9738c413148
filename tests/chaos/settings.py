"""The fleet's settings for tests, and the product broken on purpose where `CHAOS_MUTATION` names how."""

import os

from tests.settings_fleet import *  # noqa: F403

MUTATION = os.environ.get("CHAOS_MUTATION", "")
if MUTATION:
    INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.mutated.Mutated"]  # noqa: F405
