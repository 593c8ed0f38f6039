"""Floor 1, speaks Aster: signing, REST, the market stream, the user stream, the listen key."""
