"""The routes of who may send, and as whom; mounted under /api."""

from tenants.domains.api import routes as domains
from tenants.files.api import routes as files
from tenants.keys import schema as _schema  # noqa: F401 - registers itself
from tenants.keys.api import routes as keys
from tenants.tenancy.api import routes as tenancy

urlpatterns = [*keys, *domains, *files, *tenancy]
