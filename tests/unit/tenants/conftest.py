"""A fresh process for every test of the tenants' slices, and two tenants."""

import pytest

from tenants.tenancy.models import Tenant
from tests.journeys.conftest_tenants import Counted, forget_everything, make_tenant


@pytest.fixture(autouse=True)
def _fresh(settings) -> None:
    settings.QUOTA_COUNTER = f"{Counted.__module__}.count_accepted"
    forget_everything()


@pytest.fixture
def acme(db) -> Tenant:
    return make_tenant("Acme")


@pytest.fixture
def globex(db) -> Tenant:
    return make_tenant("Globex")
