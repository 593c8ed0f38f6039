"""What must be put right before any test module is imported."""

from __future__ import annotations

import sys

_limit = sys.getrecursionlimit()
import eth_account  # noqa: F401

# One of its packages (py_ecc) lifts the limit to 100,000 when it is imported, and bottomless JSON would then overrun the stack instead of
# raising RecursionError. mmd itself never imports it.
sys.setrecursionlimit(_limit)
