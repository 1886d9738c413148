#!/usr/bin/env python
"""Mailgrid's command line: `manage.py up` runs everything, `manage.py help` lists the rest."""

import os
import sys

from django.core.management import execute_from_command_line

from mailgrid.env import WrongSetting

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailgrid.settings.embedded")
    try:
        execute_from_command_line(sys.argv)
    except WrongSetting as error:
        sys.exit(f"mailgrid: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
