"""A key, and an email."""

from django.db import models


class Key(models.Model):
    """Who may post; the key is kept as its SHA-256."""

    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        app_label = "bare"

    def __str__(self) -> str:
        return self.digest[:8]


class Email(models.Model):
    """One row for each email."""

    key = models.ForeignKey(Key, on_delete=models.CASCADE)
    content = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bare"

    def __str__(self) -> str:
        return str(self.pk)
