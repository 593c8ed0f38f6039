"""Configuration: exact numbers, precise errors, one table of keys."""

from __future__ import annotations

import dataclasses
import os
from decimal import Decimal
from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.core.settings import FillLimits, OrderSettings, RiskSettings, StrategySettings, TimingSettings
from mmd.core.units import Side
from mmd.daemon.config import (
    AccountConfig,
    AlertConfig,
    Config,
    ConnectionConfig,
    ExchangeConfig,
    LedgerConfig,
    LogConfig,
    PaperConfig,
    ReportConfig,
    load_config,
)
from mmd.daemon.config_schema import KEYS

PARTS = {"exchange": ExchangeConfig, "paper": PaperConfig, "account": AccountConfig, "strategy": StrategySettings, "orders": OrderSettings,
         "risk": RiskSettings, "fills": FillLimits, "timing": TimingSettings,
         "connection": ConnectionConfig, "logging": LogConfig, "reports": ReportConfig, "ledger": LedgerConfig, "alerts": AlertConfig}


def write(directory: Path, text: str) -> Path:
    path = directory / "eth.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(directory: Path, text: str, **arguments: object) -> str:
    """The message with which a file is refused."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(directory, text), **arguments)  # type: ignore[arg-type]
    return str(caught.value)


def load(directory: Path, text: str) -> Config:
    return load_config(write(directory, text))


def test_a_symbol_alone_is_a_configuration(tmp_path: Path) -> None:
    """Everything but the symbol has a default, and the defaults are those of the dataclasses."""
    config = load(tmp_path, "symbol: ETHUSDT\n")
    assert (config.symbol, config.name, config.mode) == ("ETHUSDT", "eth", "ping_pong")
    assert config.path == tmp_path / "eth.yaml"
    assert config.exchange == ExchangeConfig("aster", "v1", "https://fapi.asterdex.com", "wss://fstream.asterdex.com")
    assert config.engine.strategy == StrategySettings()
    assert (config.paper, config.account, config.connection) == (PaperConfig(), AccountConfig(), ConnectionConfig())
    assert (config.logging, config.reports) == (LogConfig(), ReportConfig())


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    """A number goes from its text to Decimal: no digit is lost, however it is written."""
    config = load(tmp_path, "symbol: ETHUSDT\nstrategy:\n  buy_spread: 0.1000000000000000055511151231257827\n  sell_spread: 1e-3\n"
                            "  balance_fraction: '0.3'\n  position_threshold: 15.10\n")
    strategy = config.engine.strategy
    assert strategy.buy_spread == Decimal("0.1000000000000000055511151231257827")
    assert strategy.sell_spread == Decimal("0.001")
    assert strategy.balance_fraction == Decimal("0.3")
    assert str(strategy.position_threshold) == "15.10"


def test_durations_become_milliseconds(tmp_path: Path) -> None:
    """Seconds in the file are whole milliseconds in the settings."""
    config = load(tmp_path, "symbol: ETHUSDT\norders: {order_refresh_interval: 0.25, max_order_age: 90}\n"
                            "timing: {stale_book_after: 1.5}\nrisk: {countdown: 0}\nreports: {prices: 0}\n")
    assert (config.engine.orders.refresh_interval_ms, config.engine.orders.max_order_age_ms) == (250, 90_000)
    assert (config.engine.timing.stale_book_ms, config.engine.risk.countdown_ms, config.reports.prices_ms) == (1500, 0, 0)


def test_words_become_values(tmp_path: Path) -> None:
    """Bias, cancel scope and margin type are read as what the engine and the venue take."""
    config = load(tmp_path, "symbol: ETHUSDT\nstrategy: {bias: short, margin_type: isolated, leverage: 3, margin_assets: [USDF]}\n"
                            "orders: {cancel_scope: symbol, post_only: no}\n")
    assert config.engine.strategy.opening_side is Side.SELL
    assert config.engine.strategy.margin_assets == ("USDF",)
    assert config.account == AccountConfig(3, "ISOLATED")
    assert config.engine.orders.cancel_scope_symbol
    assert not config.engine.orders.post_only


@pytest.mark.parametrize(("text", "means"), [
    ("9680", ("127.0.0.1", 9680)), ("127.0.0.1:9680", ("127.0.0.1", 9680)), ("localhost:1", ("localhost", 1)), ("'[::1]:65535'", ("::1", 65535)),
    ("0.0.0.0:80", ("0.0.0.0", 80)), ("null", None),
])
def test_an_address_to_serve_at(tmp_path: Path, text: str, means: tuple[str, int] | None) -> None:
    """A port alone is on the loopback; any other host has to be written out."""
    assert load(tmp_path, f"symbol: ETHUSDT\nreports:\n  http: {text}\n").reports.http == means


@pytest.mark.parametrize("text", ["0", "65536", "host:80", "127.0.0.1", "'127.0.0.1:'", ":80", "'::1:80'", "http://127.0.0.1:80", "'[127.0.0.1]:80'", "[1, 2]"])
def test_no_address_to_serve_at(tmp_path: Path, text: str) -> None:
    """What is no literal address with a port is refused before anything is served."""
    assert "reports.http" in refusal(tmp_path, f"symbol: ETHUSDT\nreports:\n  http: {text}\n")


def test_every_field_can_be_reached() -> None:
    """Each field of each part is filled by exactly one key, and no key fills a field that does not exist."""
    reached: dict[str, list[str]] = {}
    for key in KEYS:
        reached.setdefault(key.part, []).append(key.field)
    assert sorted(reached.pop("config")) == ["mode", "symbol"]
    assert {part: sorted(fields) for part, fields in reached.items()} == {
        part: sorted(field.name for field in dataclasses.fields(cls) if field.name not in PARTS) for part, cls in PARTS.items()}


def test_the_defaults_pass_the_checks(tmp_path: Path) -> None:
    """Each default, written into a file as an operator would, is accepted and means itself."""
    names = {"opening_side": "long", "cancel_scope_symbol": "own"}
    for key in KEYS:
        if key.part in ("config", "exchange"):
            continue
        default = getattr(PARTS[key.part](), key.field)
        if key.field in names:
            text = names[key.field]
        elif isinstance(default, bool):
            text = str(default).lower()
        elif key.field.endswith("_ms"):
            text = str(Decimal(default) / 1000)
        elif isinstance(default, tuple):
            text = f"[{', '.join(default)}]"
        else:
            text = "null" if default is None else str(default)
        section, _, name = key.name.partition(".")
        config = load(tmp_path, f"symbol: ETHUSDT\n{section}:\n  {name}: {text}\n")
        assert config == load(tmp_path, "symbol: ETHUSDT\n"), key.name


@pytest.mark.parametrize(("line", "says"), [
    ("strategy: {buy_spred: 0.001}", "strategy.buy_spred: unknown key (set to '0.001'); did you mean strategy.buy_spread?"),
    ("buy_spread: 0.001", "buy_spread: unknown key (set to '0.001'); did you mean strategy.buy_spread?"),
    ("strategi: {buy_spread: 0.001, sell_spread: 1}", "strategi: unknown section; did you mean strategy?"),
    ("risk: {buy_spread: 0.001}", "did you mean strategy.buy_spread?"),
    ("risk: {zzz: 1}", "risk.zzz: unknown key; valid are: risk.max_position, risk.countdown"),
    ("colour: {}", "colour: unknown key"),
    ("strategy: 5", "strategy: '5': must be a mapping of keys"),
    ("strategy: {buy_spread: .nan}", "strategy.buy_spread: '.nan': must be a number from 0 and below 1"),
    ("strategy: {buy_spread: .inf}", "'.inf': must be a number"),
    ("strategy: {buy_spread: NaN}", "'NaN': must be a number"),
    ("strategy: {buy_spread: -0.001}", "'-0.001': must be a number from 0"),
    ("strategy: {buy_spread: 1}", "'1': must be a number from 0 and below 1"),
    ("strategy: {buy_spread: wide}", "'wide': must be a number"),
    ("strategy: {buy_spread: true}", "'true': must be a number"),
    ("strategy: {buy_spread: }", "nothing: must be a number"),
    ("strategy: {buy_spread: [0.1]}", "a list of 1: must be a number"),
    ("strategy: {buy_spread: {a: 1}}", "a mapping or nested list: must be a number"),
    ("strategy: {buy_spread: 0x1}", "'0x1': must be a number"),
    ("strategy: {position_threshold: 010}", "'010': must be a number"),
    ("strategy: {position_threshold: 1:30}", "'1:30': must be a number"),
    ("strategy: {position_threshold: 1_000}", "'1_000': must be a number"),
    ("strategy: {position_threshold: ٣}", "'٣': must be a number"),
    ("strategy: {balance_fraction: 0}", "must be a number above 0 to 1"),
    ("strategy: {balance_fraction: 1.01}", "must be a number above 0 to 1"),
    ("strategy: {margin_assets: []}", "must be a list of asset names"),
    ("strategy: {margin_assets: USDT}", "must be a list of asset names"),
    ("strategy: {margin_assets: [USDT, USDT]}", "names an asset twice"),
    ("strategy: {leverage: 2.5}", "must be a whole number from 1 to 125, or null"),
    ("strategy: {leverage: true}", "must be a whole number"),
    ("strategy: {leverage: 126}", "must be a whole number from 1 to 125"),
    ("strategy: {mode: ping-pong}", "must be ping_pong; did you mean ping_pong?"),
    ("orders: {post_only: 1}", "orders.post_only: '1': must be true or false"),
    ("orders: {order_refresh_interval: 0}", "must be seconds from 0.05 to 60"),
    ("orders: {order_refresh_interval: 0.0501}", "must be a whole number of milliseconds"),
    ("orders: {client_id_prefix: a-b}", "must be 1 to 12 of the characters"),
    ("orders: {client_id_prefix: autoclose}", "liquidation"),
    ("orders: {client_id_prefix: adl_autoclose}", "liquidation"),
    ("risk: {countdown: 1}", "must be seconds from 5 to 3600, or 0 for off"),
    ("exchange: {venue: Paper}", "did you mean paper?"),
    ("exchange: {venue: custom}", "exchange.rest_url: is needed with exchange.venue custom"),
    ("exchange: {venue: paper, rest_url: 'https://example.com'}", "is not for exchange.venue paper"),
    ("exchange: {auth: v3}\ntiming: {acceptance_window: 9.9}", "timing.acceptance_window: 9.9 s is less than the 10 s for which"),
    ("exchange: {chain_id: 0}", "must be a whole number from 1 to"),
    ("exchange: {auth: v4}", "must be v1 or v3"),
    ("paper: {market: replay}\nexchange: {venue: paper}", "paper.data: is needed with paper.market replay"),
    ("paper: {data: eth.yaml}", "paper.data: is only for paper.market replay"),
    ("paper: {market: replay, data: nothing.gz}", "nothing.gz: No such file"),
    ("paper: {market: replay, data: .}", "is a directory"),
    ("paper: {speed: 0}", "must be a number from 0.01 to 1000"),
    ("paper: {seed: -1}", "must be a whole number from 0"),
    ("logging: {level: trace}", "must be debug or info or warning or error"),
    ("logging: {console: false, file: none}", "would leave no log at all"),
    ("orders: {order_refresh_interval: 20}\nrisk: {countdown: 30}", "less than three times orders.order_refresh_interval"),
    ("orders: {order_refresh_interval: 20, max_order_age: 10}\nrisk: {countdown: 0}", "orders.max_order_age: 10 s is less than"),
    ("risk: {max_position: 15}", "must be above strategy.position_threshold (15)"),
    ("timing: {stop_deadline: 3}", "an order of unknown outcome could not be settled"),
    ("timing: {refusal_backoff: 100}", "is less than timing.refusal_backoff (100 s)"),
    ("strategy: !!python/object/apply:os.system [ls]", "the YAML tag"),
    ("? [a, b]\n: 1", "a key must be a word"),
])
def test_a_bad_value_is_refused_by_name(tmp_path: Path, line: str, says: str) -> None:
    """Each fault is refused, naming the key, the value and what is allowed."""
    assert says in refusal(tmp_path, f"symbol: ETHUSDT\n{line}\n")


@pytest.mark.parametrize(("value", "says"), [
    ("ethusdt", "'ethusdt': must be the exchange's name in capitals"), ("E", "must be the"), ("ETH-USDT", "must be the"), ("", "nothing"),
    ("[ETHUSDT]", "a list of 1"), ("{ETHUSDT: 1}", "must be a single value"), ("{}", "nothing"),
])
def test_a_bad_symbol_is_refused(tmp_path: Path, value: str, says: str) -> None:
    """The symbol is capitals and digits, and nothing else will do."""
    assert says in refusal(tmp_path, f"symbol: {value}\n")


def test_a_word_that_yaml_reads_as_something_else_is_still_text(tmp_path: Path) -> None:
    """YAML 1.1 takes NO for false; a symbol of that name stays a name."""
    assert load(tmp_path, "symbol: NO\n").symbol == "NO"


def test_a_fault_names_file_and_line(tmp_path: Path) -> None:
    """The message begins with `file:line:` of the very value."""
    text = "# first line\nsymbol: ETHUSDT\nstrategy:\n  # comment\n  buy_spread: 7\n"
    assert refusal(tmp_path, text).startswith(f"{tmp_path / 'eth.yaml'}:5: strategy.buy_spread: '7'")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """The second of two equal keys is named with the line of the first, in a section, at the top, and for a whole section."""
    twice = refusal(tmp_path, "symbol: ETHUSDT\nstrategy:\n  buy_spread: 0.001\n  buy_spread: 0.002\n")
    assert ":4: strategy.buy_spread: is given twice, first in line 3" in twice
    assert ":2: symbol: is given twice, first in line 1" in refusal(tmp_path, "symbol: ETHUSDT\nsymbol: BTCUSDT\n")
    assert ":3: risk: is given twice" in refusal(tmp_path, "symbol: ETHUSDT\nrisk: {countdown: 0}\nrisk: {countdown: 30}\n")


def test_all_faults_are_listed(tmp_path: Path) -> None:
    """One run shows every fault, a line each."""
    message = refusal(tmp_path, "symbol: x\nstrategy: {buy_spread: 2, sell_spread: a}\nlogin: {}\n")
    assert len(message.splitlines()) == 4


def test_a_missing_symbol_is_refused_unless_given(tmp_path: Path) -> None:
    """The symbol comes from the file or from the command line, which wins."""
    assert "symbol: is missing" in refusal(tmp_path, "strategy: {}\n")
    assert load_config(write(tmp_path, "strategy: {}\n"), symbol="BTCUSDT").symbol == "BTCUSDT"
    assert load_config(write(tmp_path, "symbol: ETHUSDT\n"), symbol="BTCUSDT").symbol == "BTCUSDT"
    assert "command line: symbol: 'btc'" in refusal(tmp_path, "symbol: ETHUSDT\n", symbol="btc")


def test_an_override_replaces_the_value_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of the command line starts at the working directory, one of the file at the file; the replaced value is not even looked at."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.gz").touch()
    (tmp_path / "b.gz").touch()
    monkeypatch.chdir(elsewhere)
    path = write(tmp_path, "symbol: ETHUSDT\nexchange: {venue: paper}\npaper: {market: replay, data: absent.gz}\n")
    assert load_config(path, overrides={"paper.data": "a.gz"}).paper.data == elsewhere / "a.gz"
    assert load(tmp_path, "symbol: ETHUSDT\npaper: {market: replay, data: b.gz}\n").paper.data == tmp_path / "b.gz"
    with pytest.raises(ConfigError, match=r"command line: paper.data: 'c.gz': cannot be found"):
        load_config(path, overrides={"paper.data": "c.gz"})


@pytest.mark.parametrize("line", ["api_key: abc", "exchange: {api_secret: abc}", "exchange: {ASTER_API_KEY: abc}", "signer_key: abc",
                                  "secrets: {abc: abc}", "exchange: {passphrase: abc}"])
def test_a_secret_in_the_file_is_refused_with_the_way_out(tmp_path: Path, line: str) -> None:
    """Keys belong into the environment or `.env`; the message does not repeat them."""
    message = refusal(tmp_path, f"symbol: ETHUSDT\n{line.replace('abc}', 'hush-hush}').replace(': abc', ': hush-hush')}\n")
    assert f"{tmp_path / '.env'} (chmod 600)" in message
    assert "hush" not in message


@pytest.mark.parametrize("line", ["exchange: {auth: SECRET}", "strategi: {x: SECRET}", "risk: {zz: SECRET}", "exchange: {rest_url: SECRET}",
                                  "symbol2: SECRET", "symbol: SECRET", "strategy: {margin_assets: [SECRET]}", "SECRET: [", "a: 'SECRET"])
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, line: str) -> None:
    """A value as long as a key is never part of a message, whatever is wrong with it."""
    secret = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
    assert secret[:20] not in refusal(tmp_path, line.replace("SECRET", secret))


@pytest.mark.parametrize(("url", "good"), [
    ("https://fapi.binance.com", True), ("https://fapi.binance.com/", True), ("http://127.0.0.1:8080", True), ("http://localhost:1", True),
    ("http://[::1]:80", True), ("https://host/prefix", True), ("http://fapi.binance.com", False), ("ftp://host", False), ("host", False),
    ("https://", False), ("https://user:pass@host", False), ("https://host?x=1", False), ("https://host/fapi/v1", False),
    ("https://host:99999", False), ("https://a b", False), ("http://127.0.0.1.example.com", False),
])
def test_a_custom_address_is_a_base_and_uses_tls(tmp_path: Path, url: str, good: bool) -> None:
    """A custom REST base is taken without its slash; no TLS means loopback; paths that are added later are refused."""
    text = f"symbol: ETHUSDT\nexchange: {{venue: custom, rest_url: '{url}', ws_url: 'ws://127.0.0.1:9'}}\n"
    if good:
        assert load(tmp_path, text).exchange.rest_url == url.rstrip("/")
    else:
        assert "exchange.rest_url" in refusal(tmp_path, text)


@pytest.mark.parametrize("venue", ["aster", "aster-testnet"])
def test_a_named_venue_may_be_given_other_hosts(tmp_path: Path, venue: str) -> None:
    """The hosts are replaced, the chain stays the venue's; one that is not given stays too."""
    own = load(tmp_path, f"symbol: ETHUSDT\nexchange: {{venue: {venue}}}\n").exchange
    given = load(tmp_path, f"symbol: ETHUSDT\nexchange: {{venue: {venue}, rest_url: 'https://a.example', ws_url: 'wss://b.example/'}}\n").exchange
    assert given == dataclasses.replace(own, rest_url="https://a.example", ws_url="wss://b.example")
    half = load(tmp_path, f"symbol: ETHUSDT\nexchange: {{venue: {venue}, rest_url: 'https://a.example'}}\n").exchange
    assert half == dataclasses.replace(own, rest_url="https://a.example")


def test_each_named_venue_has_its_addresses(tmp_path: Path) -> None:
    """The testnet is not the exchange, and the paper exchange has no address before it runs."""
    testnet = load(tmp_path, "symbol: ETHUSDT\nexchange: {venue: aster-testnet}\n").exchange
    assert testnet.rest_url == "https://fapi.asterdex-testnet.com"
    paper = load(tmp_path, "symbol: ETHUSDT\nexchange: {venue: paper}\n").exchange
    assert (paper.rest_url, paper.ws_url, paper.is_paper) == (None, None, True)


@pytest.mark.parametrize(("raw", "says"), [
    (b"", "is empty"),
    (b"# nothing\n", "is empty"),
    (b"- a\n- b\n", "must be a mapping of sections"),
    (b"hello\n", "must be a mapping of sections"),
    (b"symbol: ETHUSDT\nstrategy: {\n", "eth.yaml:3:1: not valid YAML"),
    (b"symbol: ETHUSDT\n\trisk: 1\n", "eth.yaml:2:"),
    (b"symbol: ETHUSDT\n---\nsymbol: BTCUSDT\n", "eth.yaml:2:"),
    (b"symbol: *gone\n", "eth.yaml:1:"),
    (b"symbol: ETHUSDT\nrisk: \xff\n", "eth.yaml:2: byte 0xff is not UTF-8"),
    (b"symbol: ETHUSDT\nrisk: \x00\n", "eth.yaml:2: not valid YAML"),
    (b"symbol: " + b"[" * 5000, "not valid YAML"),
    (b"#" * ((1 << 20) + 1), "is longer than"),
])
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, raw: bytes, says: str) -> None:
    """What is no configuration at all is refused with line and column where there are any."""
    path = tmp_path / "eth.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert says in str(caught.value)


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    """Editors that write a BOM do no harm."""
    assert load(tmp_path, "\ufeffsymbol: ETHUSDT\n").symbol == "ETHUSDT"


def test_a_missing_file_is_refused_with_its_neighbours(tmp_path: Path) -> None:
    """The message names the file and the configurations that are there."""
    write(tmp_path, "symbol: ETHUSDT\n")
    with pytest.raises(ConfigError, match=r"btc\.yaml: there is no such file; .* has eth\.yaml"):
        load_config(tmp_path / "btc.yaml")
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "eth.yaml" / "x.yaml")


def test_a_directory_or_a_pipe_is_refused(tmp_path: Path) -> None:
    """Only a regular file is read; a pipe would block."""
    with pytest.raises(ConfigError, match="is a directory"):
        load_config(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is not a regular file"):
        load_config(tmp_path / "pipe")


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission is named with what to look at."""
    path = write(tmp_path, "symbol: ETHUSDT\n")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match=r"eth\.yaml: cannot be read: Permission denied; check its owner and mode"):
        load_config(path)


def test_a_log_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """`auto` and `none` are words; anything else is a path."""
    assert load(tmp_path, "symbol: ETHUSDT\nlogging: {file: none}\n").logging.file == "none"
    assert load(tmp_path, "symbol: ETHUSDT\nlogging: {file: a.log}\n").logging.file == str(tmp_path / "a.log")
