"""Times of the guarantee, which the fault tests shorten all together so that minutes become seconds."""

from django.conf import settings


def scaled(seconds: float) -> float:
    """The duration, divided by the setting `TIME_SCALE`: 1 in every settings module of the product."""
    return seconds / float(settings.TIME_SCALE)
