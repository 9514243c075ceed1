"""``python -m wtal``."""

import sys
from importlib.util import find_spec

from wtal.commands.main import main

if __name__ == "__main__":
    # Processes that `ddp_spawn` starts import this module, and with it `wtal`, before anything else; they would not
    # import a module called `__main__`.
    __spec__ = find_spec("wtal.commands.main")
    sys.exit(main())
