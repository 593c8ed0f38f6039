"""The page: whole, self-contained, escaped; and drawn, where there is a browser to draw it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_rig import HOUR, MINUTE, T0, HandLedger

pytest.importorskip("plotly", reason="the extra [report] is not installed")

from mmd.report.figures import Listeners
from mmd.report.page import html_report
from mmd.report.palette import PALETTE, stand_ins
from mmd.report.series import Series

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)> & "quoted" \'too\''
VOID = {"meta", "link", "br", "img", "input", "hr", "path"}


def page_of(ledger: HandLedger) -> str:
    series = Series()
    return html_report(ledger.report(listeners=Listeners(fill=series.fill, mark=series.mark)), series)


def evil_ledger() -> HandLedger:
    """Text from outside wherever a ledger can hold any."""
    ledger = HandLedger()
    ledger.meta(venue=EVIL, symbol=EVIL, base_asset=EVIL, quote_asset=EVIL)
    ledger.run(end=T0 + 2 * HOUR, cause="halt", why=EVIL)
    ledger.state(T0, "quote")
    ledger.state(T0 + MINUTE, "pause", EVIL)
    ledger.state(T0 + 2 * MINUTE, EVIL)
    ledger.income(T0 + 3 * MINUTE, EVIL, "1", asset=EVIL, symbol=EVIL)
    ledger.request(T0, EVIL, EVIL, 3)
    ledger.duration(T0, EVIL, 3, 3)
    for number in range(6):
        at = T0 + number * 10 * MINUTE
        ledger.fill(at, "BUY" if number % 2 == 0 else "SELL", "100", "1", fee="0.1", asset=EVIL, position=str((number + 1) % 2), mid="101",
                    later=("101", "101", "102", "99"), client=EVIL[:30])  # fmt: skip
        ledger.mark(at + 1, str(1000 + number), unrealized="-1")
        ledger.update(at, str(1000 + number), asset=EVIL)
    return ledger


class Page(HTMLParser):
    """Tags in their order, whether they nest, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def evil_page() -> str:
    return page_of(evil_ledger())


def test_every_tag_is_closed(evil_page: str) -> None:
    """Whatever stands in the ledger; ids are there once."""
    page = Page(evil_page)
    assert page.faults == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.tags[0][0] == "html"


def test_text_from_outside_stays_text(evil_page: str) -> None:
    """No tag, attribute or script comes out of it, and it can be read as it is."""
    page = Page(evil_page)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert len(page.scripts) == 4  # two blocks of data, the library, our own
    assert EVIL in "\n".join(page.words)
    assert "alert(1)" not in page.scripts[2] + page.scripts[3]
    json.loads(page.scripts[0])
    assert "<" not in page.scripts[0]


def test_nothing_is_loaded_from_anywhere(evil_page: str) -> None:
    """No tag names an address, no style imports one, and the policy forbids what a script might try."""
    page = Page(evil_page)
    assert not [
        (tag, name) for tag, attributes in page.tags for name in attributes if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert "@import" not in evil_page.partition("</style>")[0]
    assert "url(" not in evil_page.partition("</style>")[0]
    policy = next(attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    assert allowed == [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts[2:]]


def test_every_chart_is_there(evil_page: str) -> None:
    """Each has a place with a description, and its data; each colour in the data is a stand-in that the page knows."""
    page = Page(evil_page)
    figures, tones = json.loads(page.scripts[0]), json.loads(page.scripts[1])
    assert list(figures) == ["price", "equity", "inventory", "mark_outs", "spread", "by_hour"]
    for name in figures:
        place = next(attributes for _, attributes in page.tags if attributes.get("id") == f"chart-{name}")
        assert place["role"] == "img" and place["aria-label"]
    used = set(re.findall(r"rgba?\([^)]*\)", page.scripts[0]))
    assert used <= set(tones) == set(stand_ins())
    assert not re.findall(r'"#[0-9a-fA-F]{3,8}"', page.scripts[0])
    assert all(len(tone) == 2 for tone in tones.values())


def test_an_empty_ledger_has_a_page() -> None:
    """Without charts, and with its figures."""
    page = Page(page_of(HandLedger()))
    assert page.faults == []
    assert json.loads(page.scripts[0]) == {}
    assert "Nothing to compare." in page.words


def luminance(colour: str) -> float:
    """WCAG 2.2 "relative luminance"."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("name", "least"), [("text", 7.0), ("muted", 4.5), ("accent", 4.5), ("gain", 4.5), ("loss", 4.5), ("buy", 3.0), ("sell", 3.0)]
)
def test_colours_can_be_read(name: str, least: float) -> None:
    """Contrast against card and page, in both schemes: WCAG 2.2, 1.4.3 and 1.4.11."""
    for scheme in (0, 1):
        for ground in ("card", "page"):
            lighter, darker = sorted((luminance(PALETTE[name][scheme]), luminance(PALETTE[ground][scheme])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= least - 0.2 * (ground == "page"), (name, scheme, ground)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_browser_draws_it(evil_page: str, tmp_path: Path) -> None:
    """Every chart is drawn under the policy, and what came from outside did not run."""
    path = tmp_path / "page.html"
    path.write_text(evil_page, encoding="utf-8")
    browser = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
         "--window-size=1200,900", "--virtual-time-budget=5000", "--dump-dom", f"file://{path}"],
        capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    drawn = Page(browser.stdout)
    assert browser.stdout.count('class="plot-container plotly"') == 6
    assert "<title>owned" not in browser.stdout
    assert any(tag == "svg" for tag, _ in drawn.tags)
