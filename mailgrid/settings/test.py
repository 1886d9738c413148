"""What the tests run on: the embedded database in a temporary folder or the one DATABASE_URL names, fixed secrets,
cheap passwords, silent bells."""

import tempfile

from mailgrid.settings.base import *  # noqa: F403
from mailgrid.settings.storage import DATABASES as CONFIGURED
from mailgrid.settings.storage import SQLITE, STORAGES

SECRET_KEY = "test"
KEY_PEPPER = "test-pepper"
ENCRYPTION_KEYS = ("t1:" + "A" * 43 + "=",)

_scratch = tempfile.mkdtemp(prefix="mailgrid-test-")
_own = {"NAME": f"{_scratch}/test.sqlite3"} if CONFIGURED["default"] is SQLITE else {}
DATABASES = {"default": {**CONFIGURED["default"], "TEST": _own}}
STORAGES = {
    **STORAGES,
    "blobs": {
        "BACKEND": "mailgrid.core.blobs_on_disk.DurableFileStorage",
        "OPTIONS": {"location": f"{_scratch}/blobs"},
    },
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BELL_RINGER = "mailgrid.core.bells.silent"
HITS_RECORDED_ASIDE = False
# Clocks stand still in many tests, Redis's does not; tests about Redis say so themselves.
REDIS_URL = ""
RATE_LIMITER = "mailgrid.core.ratelimit.LocalBuckets"
QUOTA_STORE = "tenants.quotas.counters.QuotaCounters"
