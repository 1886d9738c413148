"""Secrets, hosts, cookies, and what the API lets in."""

from mailgrid.env import env

SECRET_KEY = env("SECRET_KEY")
KEY_PEPPER = env("KEY_PEPPER")
ENCRYPTION_KEYS = tuple(entry.strip() for entry in env("ENCRYPTION_KEYS").split(",") if entry.strip())

ALLOWED_HOSTS = env("ALLOWED_HOSTS")
CORS_ORIGINS = env("CORS_ORIGINS")
METRICS_NETWORKS = env("METRICS_NETWORKS")
TRUSTED_PROXIES = env("TRUSTED_PROXIES")
API_DOCS = env("API_DOCS")

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Bodies have caps of their own, per route (docs/api.md, limits); Django's 2.5 MB would come first.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LOGIN_REDIRECT_URL = "/admin/"
