"""What the tests of the report share: the maker of large ledgers stands beside the ledger's own tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "ledger"))
