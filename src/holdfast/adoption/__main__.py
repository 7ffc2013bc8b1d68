"""`python -m holdfast.adoption [PATH]`."""

from __future__ import annotations

import sys

from holdfast.adoption.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
