"""`python -m mmd` is `mmd`."""

import sys

from mmd.daemon.cli import main

sys.exit(main())
