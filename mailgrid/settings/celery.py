"""Celery's settings, each with its reason. Bells only: no results, no retries, no times (docs/adr/0001)."""

CELERY_BROKER_URL = "memory://localhost/"
CELERY_BROKER_TRANSPORT = "workers.memory:Transport"
# The in-memory transport polls once a second by default: in a trial 63 of 200 bells were handled in 30 s.
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.01}
CELERY_TASK_SERIALIZER = "json"
CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # else beat gets a task that cleans up results nobody keeps
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a mistyped queue must fail, not appear
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_DEFAULT_EXCHANGE = "bells"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "direct"
CELERY_TASK_DEFAULT_ROUTING_KEY = "maintenance"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # running tasks fill the slots, nothing is hoarded
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
# Else Celery closes the database connection after each task: in a trial, 227 instead of 360 emails/s on SQLite.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True
