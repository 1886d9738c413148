"""The embedded settings for fault tests: as in production, but for the failpoints of `CHAOS_FAILPOINTS`, and the short
times of `CHAOS_TIME_SCALE`, both written as for `tests.settings_fleet`.
"""

import os

from mailgrid.core.failpoints import Action, Failpoint
from mailgrid.settings.embedded import *  # noqa: F403
from mailgrid.settings.storage import VAR_DIR

TIME_SCALE = float(os.environ.get("CHAOS_TIME_SCALE", "1"))
FAILPOINTS = {
    name: Failpoint(action=Action(action), times=int(times), folder=VAR_DIR / "failpoints")
    for name, action, times in (
        one.split(":") for one in os.environ.get("CHAOS_FAILPOINTS", "").split(",") if one
    )
}
(VAR_DIR / "failpoints").mkdir(parents=True, exist_ok=True)
