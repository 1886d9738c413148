"""The endpoint."""

from functools import partial
from typing import Any

from django.db import transaction
from rest_framework.generics import CreateAPIView

from tests.bench.conventional.serializers import EmailSerializer
from tests.bench.conventional.tasks import send_email


class Emails(CreateAPIView):
    """POST an email or a list of them: stored, then one task for each."""

    serializer_class = EmailSerializer

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_serializer(*args, many=isinstance(self.request.data, list), **kwargs)

    def perform_create(self, serializer: Any) -> None:
        with transaction.atomic():
            saved = serializer.save()
            for email in saved if isinstance(saved, list) else [saved]:
                transaction.on_commit(partial(send_email.delay, email.pk))
