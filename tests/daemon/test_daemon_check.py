"""`mmd -c FILE check`: each trouble is named with its way out, the exit code follows, and nothing is ever sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Exchange

from mmd.daemon.cli import main
from mmd.daemon.state_directory import Halt, HaltLatch, market_name
from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.runtime import ExchangeClock, PaperServer
from mmd.venue.terms import Agent

SUBJECTS = (
    "config", "credentials", "file modes", "log", "state", "round trip", "clock", "symbol", "position mode", "margin mode", "leverage", "margin type",
    "fees", "balance", "position", "open orders", "rate limits", "user stream", "market stream", "quote",
)  # fmt: skip


# The demonstration account of V3 "Example of POST /fapi/v3/order".
USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
AGENT = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
AGENT_KEY = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"


class SkewedClock(ExchangeClock):
    """A venue whose clock is half a minute ahead of this machine's."""

    def now_ms(self) -> int:
        return super().now_ms() + 30_000


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASTER_API_KEY", "paper")
    monkeypatch.setenv("ASTER_API_SECRET", SECRET)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def checked(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and the findings by subject, taken from `--json`; the plain form must say the same."""
    code = main(["-c", str(config), "check", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] == (code == 0)
    failed = [finding for finding in report["findings"] if finding["verdict"] == "fail"]
    assert report["first_cause"] == (f"{failed[0]['subject']}: {failed[0]['text']}" if failed else None)
    assert main(["-c", str(config), "check"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [finding["verdict"] for finding in report["findings"]]
    return code, {finding["subject"]: finding for finding in report["findings"]}


def orders_sent(exchange: Exchange) -> int:
    with exchange.server.lock:
        return len(list(exchange.server.exchange.all_orders(exchange.server.exchange.accounts["paper"])))


def test_all_well(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every subject is there and ok, the quote has price, notional and margin, and no order was sent."""
    code, findings = checked(exchange.config(tmp_path), capsys)
    assert code == 0
    for subject in SUBJECTS:
        assert findings[subject]["verdict"] == "ok", findings[subject]
    assert "would send BUY" in findings["quote"]["text"] and "notional=" in findings["quote"]["text"] and "margin=" in findings["quote"]["text"]
    assert orders_sent(exchange) == 0


def test_a_wrong_key_and_a_wrong_secret(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fail under `credentials`, with what to do, and neither is shown."""
    config = exchange.config(tmp_path)
    monkeypatch.setenv("ASTER_API_SECRET", "wrong-secret-0123456789")
    code, findings = checked(config, capsys)
    assert code == 78 and "copy both anew" in findings["credentials"]["way_out"]
    monkeypatch.setenv("ASTER_API_KEY", "wrong-key-0123456789")
    code, findings = checked(config, capsys)
    assert code == 78 and "unknown, revoked or expired" in findings["credentials"]["way_out"]
    assert "wrong-" not in json.dumps(findings)


def test_hedge_mode(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One-way mode is demanded, and it is the one failure: what cannot be read in this mode is left out."""
    UMFutures("paper", SECRET, base_url=exchange.server.rest_url).change_position_mode(dualSidePosition="true")
    code, findings = checked(exchange.config(tmp_path), capsys)
    assert code == 78 and "one-way" in findings["position mode"]["way_out"]
    assert [subject for subject, finding in findings.items() if finding["verdict"] == "fail"] == ["position mode"]


def test_isolated_margin_in_multi_assets_mode(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two exclude each other, and it is said which of them to change."""
    UMFutures("paper", SECRET, base_url=exchange.server.rest_url).change_multi_asset_mode(multiAssetsMargin="true")
    code, findings = checked(exchange.config(tmp_path, "strategy: {margin_type: isolated}"), capsys)
    assert code == 78 and "multi-assets" in findings["margin mode"]["text"]
    assert findings["margin type"]["verdict"] == "fail" and "strategy.margin_type" in findings["margin type"]["way_out"]


def test_a_file_that_others_can_write(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who can write the configuration can trade with the money: a warning, with the command that mends it."""
    config = exchange.config(tmp_path)
    config.chmod(0o666)
    code, findings = checked(config, capsys)
    assert code == 0
    assert (findings["file modes"]["verdict"], findings["file modes"]["way_out"]) == ("warn", f"chmod go-w {config}")


def test_little_room_below_the_rate_limit(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With more than half of the address's weight spent there is somebody else on it: a warning."""
    client = UMFutures("paper", SECRET, base_url=exchange.server.rest_url)
    for _ in range(65):
        client.commission_rate(symbol="ETHUSDT")
    code, findings = checked(exchange.config(tmp_path), capsys)
    assert code == 0 and findings["rate limits"]["verdict"] == "warn"


def test_a_clock_half_a_minute_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, with the way out, and forbids nothing: requests follow the venue's clock."""
    clock = SkewedClock()
    server = PaperServer(build_exchange(PaperOptions(api_secret=SECRET), clock.now_ms()), clock=clock)
    server.start()
    config = tmp_path / "market.yaml"
    config.write_text(
        f"symbol: ETHUSDT\nexchange: {{venue: custom, rest_url: '{server.rest_url}', ws_url: '{server.ws_url}'}}\n"
        "strategy: {buy_spread: 0.004, sell_spread: 0.004}\n"
    )
    try:
        code, findings = checked(config, capsys)
    finally:
        server.stop()
    assert code == 0
    assert findings["clock"]["verdict"] == "warn" and "-30.0 s off" in findings["clock"]["text"]
    assert findings["quote"]["verdict"] == "ok"


def test_a_balance_below_the_minimum_notional(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A share of the balance that can never be an order is a failure, with the way out."""
    code, findings = checked(exchange.config(tmp_path, "strategy: {balance_fraction: 0.0004}"), capsys)
    assert code == 78
    assert "below the minimum notional 5" in findings["balance"]["text"] and "balance_fraction" in findings["balance"]["way_out"]


def test_a_symbol_that_is_not_trading(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its status is shown, the start is forbidden, and no quote is promised."""
    with exchange.server.lock:
        traded = exchange.server.exchange
        traded.change_symbol(replace(traded.market.symbol, status="SETTLING"))
    code, findings = checked(exchange.config(tmp_path), capsys)
    assert code == 78 and "SETTLING" in findings["symbol"]["text"]
    assert findings["balance"]["verdict"] == "ok" and "quote" not in findings


def test_no_network(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody answers: one failure under `network`, and nothing is guessed about the rest."""
    config = exchange.config(tmp_path)
    exchange.server.stop()
    code, findings = checked(config, capsys)
    assert code == 78 and "refused" in findings["network"]["text"].lower()
    assert "balance" not in findings


def test_what_stands_on_the_account_is_told(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A position, an order that is not ours and spreads below the fees are warned of; the quote is then a reduce-only one."""
    client = UMFutures("paper", SECRET, base_url=exchange.server.rest_url)
    client.new_order(symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1")
    client.new_order(symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="2300.00")
    code, findings = checked(exchange.config(tmp_path, "strategy: {buy_spread: 0.0001, sell_spread: 0.0001}"), capsys)
    assert code == 0
    assert findings["position"]["verdict"] == findings["open orders"]["verdict"] == findings["fees"]["verdict"] == "warn"
    assert "0.100 ETH" in findings["position"]["text"] and "not ours=1" in findings["open orders"]["text"]
    assert "SELL 0.100" in findings["quote"]["text"] and "reduce-only" in findings["quote"]["text"]


def test_a_latched_halt_is_told(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check says what the start would say."""
    config = exchange.config(tmp_path)
    checked(config, capsys)
    HaltLatch(tmp_path / "state", market_name(exchange.server.rest_url, "paper", "ETHUSDT")).set(Halt("lost 25", "2026-01-01T00:00:00+00:00"))
    code, findings = checked(config, capsys)
    assert code == 78 and "lost 25" in findings["state"]["text"] and "resume" in findings["state"]["way_out"]


def test_a_bad_configuration_is_a_finding_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` prints a line, and with `--json` one object, whatever is wrong."""
    path = tmp_path / "bad.yaml"
    path.write_text("symbol: ETHUSDT\nstrategy: {buy_spred: 1}\n")
    assert main(["-c", str(path), "check", "--json"]) == 78
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"] and "buy_spred" in report["first_cause"]
    assert len(report["findings"]) == 1
    assert main(["-c", str(path), "check"]) == 78
    assert capsys.readouterr().out.startswith("fail  config ")


def _as_agent(config: Path, monkeypatch: pytest.MonkeyPatch, key: str = AGENT_KEY) -> Path:
    """The same configuration, with an agent's credentials."""
    config.write_text(config.read_text().replace("venue: custom", "venue: custom, auth: v3"))
    for name, value in (("ASTER_USER", USER), ("ASTER_SIGNER", AGENT), ("ASTER_SIGNER_KEY", key)):
        monkeypatch.setenv(name, value)
    return config


def test_all_well_for_an_agent(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under auth v3 the key is shown to be the signer's, and the agent's permission and its end are told."""
    code, findings = checked(_as_agent(exchange.config(tmp_path), monkeypatch), capsys)
    assert code == 0, findings
    assert AGENT in findings["credentials"]["text"] and USER in findings["credentials"]["text"]
    assert findings["agent"]["verdict"] == "ok" and "may trade perpetuals for 365 days" in findings["agent"]["text"]
    assert findings["quote"]["verdict"] == "ok"
    assert orders_sent(exchange) == 0


@pytest.mark.parametrize(("may_trade", "days", "verdict", "says"), [
    (True, 6, "warn", "for 6 days"), (True, -1, "fail", "has expired"), (False, 100, "fail", "may not trade perpetuals"),
])
def test_what_an_agent_may_do_and_until_when(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    may_trade: bool, days: int, verdict: str, says: str,
) -> None:
    """An end within a week is warned of; an end that is past, and a missing permission, forbid the start."""
    agent = Agent(may_trade, ExchangeClock().now_ms() + days * 86_400_000)
    monkeypatch.setattr("mmd.daemon.check_account.read_agent", lambda rest, signer: agent)
    code, findings = checked(_as_agent(exchange.config(tmp_path), monkeypatch), capsys)
    assert (code, findings["agent"]["verdict"]) == (78 if verdict == "fail" else 0, verdict)
    assert says in findings["agent"]["text"] and "API wallet page" in findings["agent"]["way_out"]


def test_a_signer_that_is_not_the_key_s(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before the venue is asked anything: both addresses, never the key."""
    other = f"0x{7:064x}"
    assert main(["-c", str(_as_agent(exchange.config(tmp_path), monkeypatch, other)), "check", "--json"]) == 78
    written = capsys.readouterr().out
    assert AGENT in json.loads(written)["first_cause"] and other[2:] not in written


def test_an_agent_that_signs_for_another_chain(
    exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is refused, and what is wrong is the chain: an agent has no secret to copy."""
    config = _as_agent(exchange.config(tmp_path), monkeypatch)
    config.write_text(config.read_text().replace("auth: v3", "auth: v3, chain_id: 714"))
    code, findings = checked(config, capsys)
    assert code == 78 and "exchange.chain_id" in findings["credentials"]["way_out"]


def test_self_trade_prevention_is_only_for_agents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The V1 family has no such parameter, so a configuration that asks for it is refused."""
    path = tmp_path / "v1.yaml"
    path.write_text("symbol: ETHUSDT\norders: {stp_mode: expire_maker}\n")
    assert main(["-c", str(path), "check", "--json"]) == 78
    assert "orders.stp_mode" in json.loads(capsys.readouterr().out)["first_cause"]
