"""The endpoint."""

from hashlib import sha256

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.bench.bare.models import Email, Key


def accept(request: HttpRequest) -> HttpResponse:
    """Authenticate and insert one row."""
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
    key = Key.objects.filter(digest=sha256(secret.encode()).hexdigest()).first()
    if key is None:
        return HttpResponse(status=401)
    email = Email.objects.create(key=key, content=orjson.loads(request.body))
    answer = orjson.dumps({"id": email.pk})
    return HttpResponse(answer, content_type="application/json", headers={"Content-Length": str(len(answer))})


urlpatterns = [path("emails", accept)]
