"""`python -m holdfast.doctor`: the same as `manage.py holdfast doctor`, also where the settings do not load."""

from __future__ import annotations

import sys

from holdfast.doctor.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
