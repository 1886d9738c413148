"""The bare view as processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.bench.django_fleet import DjangoFleet
from tests.bench.stage import Stage

_SECRET: Final = "bare"


class BareFleet(DjangoFleet):
    """It accepts, and never sends."""

    name = "bare view"
    settings = "tests.bench.bare.settings"
    wsgi = "tests.bench.bare.wsgi:application"
    of_mail: Mapping[str, str] = {"sender": "Acme <hello@acme.test>"}
    single_path = batch_path = "/emails"
    share = 1.0

    def __init__(self, _stage: Stage, directory: Path) -> None:
        super().__init__(directory)

    def prepare(self) -> None:
        self.run("-m", "tests.bench.bare.bootstrap", _SECRET)

    @property
    def headers(self) -> Mapping[str, str]:
        """Of each request."""
        return {"Authorization": f"Bearer {_SECRET}"}
