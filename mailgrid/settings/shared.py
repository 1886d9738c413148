"""What processes share beside database and broker, and what each of them is."""

from mailgrid.env import env

ROLE = env("ROLE")
REDIS_URL = env("REDIS_URL")
REDIS_PREFIX = env("REDIS_PREFIX")
SENDING_PROCESSES = env("SENDING_PROCESSES")
FLOWER_USER = env("FLOWER_USER")
FLOWER_PASSWORD = env("FLOWER_PASSWORD")
FLOWER_URL = env("FLOWER_URL")
