"""One task for each email."""

from functools import lru_cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from celery import shared_task
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from tests.bench.conventional.models import Email


@shared_task(autoretry_for=(BotoCoreError, ClientError), retry_backoff=True, max_retries=5)
def send_email(pk: int) -> None:
    """Send it and keep the provider's id."""
    email = Email.objects.get(pk=pk)
    if email.status == Email.Status.SENT:
        return
    email.status = Email.Status.SENDING
    email.save(update_fields=["status", "updated_at"])
    answer = _client().send_email(
        FromEmailAddress=email.from_email,
        Destination={"ToAddresses": email.to},
        Content={"Raw": {"Data": _mime(email)}},
    )
    email.status = Email.Status.SENT
    email.provider_message_id = answer["MessageId"]
    email.save(update_fields=["status", "provider_message_id", "updated_at"])


def _mime(email: Email) -> bytes:
    mail = EmailMultiAlternatives(email.subject, email.text, email.from_email, email.to)
    if email.html:
        mail.attach_alternative(email.html, "text/html")
    return bytes(mail.message().as_bytes())


@lru_cache(maxsize=1)
def _client() -> Any:
    """Made at the first task, after the fork."""
    return boto3.client(
        "sesv2",
        region_name="eu-west-1",
        endpoint_url=settings.PROVIDER_URL,
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="secret",
    )
