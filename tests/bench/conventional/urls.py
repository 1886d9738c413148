"""Routes."""

from django.urls import path

from tests.bench.conventional.views import Emails

urlpatterns = [path("emails", Emails.as_view())]
