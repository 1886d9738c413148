"""The routes of what is said; mounted under /api."""

from templates.api import routes

urlpatterns = routes
