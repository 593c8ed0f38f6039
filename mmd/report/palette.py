"""The colours of the page and its charts, light and dark, each pair told apart by people who see few colours.

A chart names its colours by stand-ins (`ink("buy")`), which the page's script replaces by those of the scheme that is shown.
"""

from __future__ import annotations

from typing import NamedTuple


class Tone(NamedTuple):
    """One colour in both schemes."""

    light: str
    dark: str


PALETTE: dict[str, Tone] = {
    "page": Tone("#f4f6f8", "#0e1319"),
    "card": Tone("#ffffff", "#161d26"),
    "line": Tone("#dde3ea", "#2a3441"),
    "grid": Tone("#eaeef2", "#222c38"),
    "text": Tone("#17212d", "#e4eaf1"),
    "muted": Tone("#566373", "#9aa8b8"),
    "accent": Tone("#2b5fa8", "#7db3f5"),
    "buy": Tone("#0f6cbd", "#62b0ff"),
    "sell": Tone("#c25a00", "#ffa657"),
    "mid": Tone("#8a97a6", "#728196"),
    "gain": Tone("#0b7a75", "#4fd1c5"),
    "loss": Tone("#b8452e", "#ff8f73"),
    "band": Tone("rgba(43,95,168,0.16)", "rgba(125,179,245,0.20)"),
    "area": Tone("rgba(43,95,168,0.10)", "rgba(125,179,245,0.13)"),
    "clear": Tone("rgba(0,0,0,0)", "rgba(0,0,0,0)"),
}
_NUMBERS = {name: number for number, name in enumerate(PALETTE)}


def ink(name: str) -> str:
    """The stand-in of a colour: a colour that is none of the palette's, so that the plotting library takes it."""
    return f"rgb(1,2,{_NUMBERS[name]})"


def stand_ins() -> dict[str, Tone]:
    """What each stand-in is to be replaced by."""
    return {ink(name): tone for name, tone in PALETTE.items()}


def css_variables(scheme: str) -> str:
    """The palette as CSS custom properties, `scheme` being light or dark."""
    return "".join(f"--{name}:{tone.light if scheme == 'light' else tone.dark};" for name, tone in PALETTE.items())
