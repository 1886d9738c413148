"""Disposition."""

from django.db import models

from emails.messages.models import Delivery


class Disposition(models.Model):
    """What an operator did with an exhausted delivery, whose own state is final: it is off the list of dead letters.

    `email_id` is the new message, where it was redriven. One row at most, so a second time is refused.
    """

    class Verdict(models.TextChoices):
        REDRIVEN = "redriven"
        REMOVED = "removed"

    delivery = models.OneToOneField(
        Delivery, primary_key=True, on_delete=models.CASCADE, related_name="disposition"
    )
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    email_id = models.UUIDField(null=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.verdict}"
