"""Flower's settings: `celery -A workers flower --conf=workers/flowerconfig.py`.

Behind a log-in always: Flower shows what every tenant's mail does, and a reverse proxy may not be there.
"""

import os

from django.conf import settings

from mailgrid.env import WrongSetting

if not settings.FLOWER_PASSWORD:
    raise WrongSetting("Flower needs FLOWER_PASSWORD.")

if "FLOWER_ADDRESS" not in os.environ:  # Flower reads this one and FLOWER_PORT itself, but the file would win
    address = "127.0.0.1"
basic_auth = [f"{settings.FLOWER_USER}:{settings.FLOWER_PASSWORD}"]
max_tasks = 10_000
max_workers = 500
purge_offline_workers = 600  # seconds: a restarted worker's old name goes
natural_time = False
tasks_columns = "name,kwargs,state,result,received,started,runtime,worker"
inspect_timeout = 100.0  # milliseconds: remote control is off, so nobody answers
read_only = True
enable_events = False  # the workers are told at their start (`--task-events`)
