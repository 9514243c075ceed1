"""``python -m wtal``."""

import sys

from wtal.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
