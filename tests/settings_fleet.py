"""The fleet's settings for tests with real processes: as in production, but for whose certificates are believed."""

from mailgrid.settings.fleet import *  # noqa: F403

SNS_CERTIFICATES = "tests.fakes.ses.trust.certificate"
