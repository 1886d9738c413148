"""The fleet's settings for tests with real processes: as in production, but for whose certificates are believed, and
what the fault tests arm: `CHAOS_FAILPOINTS=name:action:times,…` and `CHAOS_TIME_SCALE`.
"""

import os

from mailgrid.core.failpoints import Action, Failpoint
from mailgrid.settings.fleet import *  # noqa: F403
from mailgrid.settings.storage import VAR_DIR

SNS_CERTIFICATES = "tests.fakes.ses.trust.certificate"
TIME_SCALE = float(os.environ.get("CHAOS_TIME_SCALE", "1"))
FAILPOINTS = {
    name: Failpoint(action=Action(action), times=int(times), folder=VAR_DIR / "failpoints")
    for name, action, times in (
        one.split(":") for one in os.environ.get("CHAOS_FAILPOINTS", "").split(",") if one
    )
}
(VAR_DIR / "failpoints").mkdir(parents=True, exist_ok=True)
