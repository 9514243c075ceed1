"""``python -m wtal``."""

import sys

from wtal.cli import main

if __name__ == "__main__":
    sys.exit(main())
