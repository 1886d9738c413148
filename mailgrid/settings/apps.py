"""Installed apps, middleware and page templates."""

from typing import Any

from mailgrid.env import BASE_DIR

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the default one would put its own site in place of ours
    "unfold.contrib.filters",
    "mailgrid.admin.OperatorConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "mailgrid.core.apps.CoreConfig",
    "tenants.apps.TenantsConfig",
    "templates.apps.TemplatesConfig",
    "emails.apps.EmailsConfig",
    "workers.apps.WorkersConfig",
]

MIDDLEWARE = [
    "mailgrid.http.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# The top-level folder templates/ holds Python for tenants' content; it must never become a page directory.
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "mailgrid" / "pages"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.keys.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.keys.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.quotas.throttling.TenantThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "mailgrid.http.schema.EndpointSchema",
    "EXCEPTION_HANDLER": "mailgrid.http.errors.answer_exception",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Mailgrid",
    "DESCRIPTION": "Accept mail once, send it once, and know what happened to it.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api",
    "PREPROCESSING_HOOKS": ["mailgrid.http.schema.only_api"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {},
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Mailgrid",
    "SITE_HEADER": "Mailgrid",
    "SITE_SUBHEADER": "Operator console",
    "SITE_SYMBOL": "mail",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "mailgrid.admin.favicon"}],
    "DASHBOARD_CALLBACK": "emails.story.admin.dashboard",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "mailgrid.admin.navigation",
    },
}
