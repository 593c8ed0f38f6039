"""A bench for the engine: no sleep, no mock, no socket."""

from __future__ import annotations

import pytest
from core_rig import Rig


@pytest.fixture
def rig() -> Rig:
    """An engine on ETHUSDT with the default settings, not booted yet."""
    return Rig()
