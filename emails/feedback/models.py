"""Watermark."""

from django.db import models

from emails.transports.models import Transport
from mailgrid.core.ids import uuid7


class Watermark(models.Model):
    """How far a provider's reports have come: the latest time of a mail whose sending its events have told.

    Kept for each account and configuration set, because events come through the set's destination. Mail that was sent
    before and is not reported by then was not sent (docs/delivery.md, doubts).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="+")
    configuration_set = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transport", "configuration_set"], name="emails_watermark_once")
        ]

    def __str__(self) -> str:
        return f"{self.configuration_set or '-'} {self.at:%H:%M:%S}"
