"""Where a mutation gets in: an application that is installed last, and so finds everything loaded."""

from django.apps import AppConfig
from django.conf import settings

from tests.chaos.mutations import MUTATIONS


class Mutated(AppConfig):
    """The product, but for one function."""

    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        MUTATIONS[settings.MUTATION].apply()
