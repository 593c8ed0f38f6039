"""`exchange.auth: v3`: an agent's credentials, what is made of them, and the whole daemon trading with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_rig import SECRET, Daemon

from mmd.core.errors import ConfigError
from mmd.core.messages import Refusal
from mmd.daemon.config import load_config
from mmd.daemon.connections import Venue, connect
from mmd.daemon.credentials import PAPER_AGENT, AgentCredentials, load_credentials
from mmd.daemon.startup import VenueUnreachable, prepare
from mmd.daemon.state_directory import market_name
from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings
from mmd.venue.endpoints import V3, Call
from mmd.venue.rest import CallFailed

# The demonstration account of V3 "Example of POST /fapi/v3/order".
USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
KEY = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"
OTHER_KEY = f"0x{7:064x}"
ENVIRON = {"ASTER_USER": USER, "ASTER_SIGNER": SIGNER, "ASTER_SIGNER_KEY": KEY}

Run = Callable[..., Daemon]


def write(directory: Path, text: str = "exchange: {auth: v3}") -> Path:
    path = directory / "market.yaml"
    path.write_text(f"symbol: ETHUSDT\n{text}\n")
    return path


def connected(directory: Path, text: str = "exchange: {auth: v3}", environ: dict[str, str] | None = None) -> Venue:
    config = load_config(write(directory, text))
    return connect(config, load_credentials(config, environ or ENVIRON), state=directory)


def write_env(directory: Path, key: str = KEY, signer: str = SIGNER) -> None:
    path = directory / ".env"
    path.write_text(f"ASTER_USER={USER}\nASTER_SIGNER={signer}\nASTER_SIGNER_KEY={key}\n")
    path.chmod(0o600)


# --- configuration and credentials ---


def test_the_three_variables_are_looked_for_in_the_three_places(tmp_path: Path) -> None:
    """Each on its own: one from the environment, one from systemd, one from `.env`; the source names them all."""
    config = load_config(write(tmp_path))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "ASTER_SIGNER").write_text(f"{SIGNER}\n")
    (tmp_path / ".env").write_text(f"ASTER_SIGNER_KEY={KEY}\nASTER_USER=overridden\n")
    (tmp_path / ".env").chmod(0o600)
    found = load_credentials(config, {"ASTER_USER": USER, "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    source = f"the environment and {tmp_path / 'credentials'} and {tmp_path / '.env'}"
    assert found == AgentCredentials(USER, SIGNER, KEY, source)


@pytest.mark.parametrize("missing", ["ASTER_USER", "ASTER_SIGNER", "ASTER_SIGNER_KEY"])
def test_each_variable_is_needed(tmp_path: Path, missing: str) -> None:
    """A V1 key does not stand in for any of them."""
    environ = {name: value for name, value in ENVIRON.items() if name != missing} | {"ASTER_API_KEY": "k", "ASTER_API_SECRET": "s"}
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        load_credentials(load_config(write(tmp_path)), environ)


def test_the_key_is_secret_and_the_addresses_are_not() -> None:
    """The log's fields show the addresses; every spelling of the key is to be concealed."""
    credentials = AgentCredentials(USER, SIGNER, KEY, "the environment")
    assert KEY[2:] not in repr(credentials)
    assert credentials.public == {"auth": "v3", "user": USER, "signer": SIGNER, "source": "the environment"}
    assert set(credentials.secrets) == {KEY[2:], KEY[2:].upper()}


@pytest.mark.parametrize("key", [KEY, KEY[2:]])
@pytest.mark.parametrize("swapped", ["ASTER_USER", "ASTER_SIGNER"])
def test_a_key_in_the_place_of_an_address_is_not_logged(run_daemon: Run, tmp_path: Path, swapped: str, key: str) -> None:
    """Two variables exchanged: the start ends with 78, and no line shows the key; nor does `repr`."""
    values = ENVIRON | {swapped: key, "ASTER_SIGNER_KEY": SIGNER}
    config = write(tmp_path, "exchange: {venue: custom, auth: v3, rest_url: 'https://127.0.0.1:9', ws_url: 'wss://127.0.0.1:9'}")
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    (tmp_path / ".env").chmod(0o600)
    daemon = run_daemon("-c", config)
    assert daemon.exit_code() == 78
    assert re.search(r" credentials auth=v3 .*\(6[46] characters\)", daemon.lines[0])
    assert not any(KEY[2:] in line for line in daemon.lines)
    assert KEY[2:] not in repr(load_credentials(load_config(config), values))


def test_an_account_is_its_user_however_it_is_written() -> None:
    """The lock and the latch of one account are the same for every spelling of its address."""
    names = {market_name("x", AgentCredentials(user, SIGNER, KEY, "").account, "ETHUSDT") for user in (USER, USER.lower())}
    assert len(names) == 1


@pytest.mark.parametrize(("text", "chain_id"), [
    ("exchange: {auth: v3}", 1666), ("exchange: {auth: v3, venue: aster-testnet}", 714), ("exchange: {auth: v3, venue: paper}", 1666),
    ("exchange: {auth: v3, venue: custom, rest_url: 'https://h', ws_url: 'wss://h'}", 1666),
    ("exchange: {auth: v3, venue: aster-testnet, chain_id: 5}", 5), ("exchange: {auth: v3, chain_id: null}", 1666),
])
def test_each_venue_has_its_chain_and_may_be_told_another(tmp_path: Path, text: str, chain_id: int) -> None:
    """By the venue's documents, unless the configuration says otherwise."""
    assert load_config(write(tmp_path, text)).exchange.chain_id == chain_id


@pytest.mark.parametrize(("text", "window_ms"), [
    ("exchange: {auth: v1}", 5_000), ("exchange: {auth: v3}", 10_000), ("exchange: {auth: v3}\ntiming: {acceptance_window: null}", 10_000),
    ("exchange: {auth: v3}\ntiming: {acceptance_window: 12}", 12_000), ("exchange: {auth: v1}\ntiming: {acceptance_window: null}", 5_000),
])
def test_an_order_of_unknown_outcome_is_waited_for_as_long_as_it_could_be_accepted(tmp_path: Path, text: str, window_ms: int) -> None:
    """Under V3 the venue accepts a nonce for ten seconds, whatever we would like."""
    assert load_config(write(tmp_path, text)).engine.timing.acceptance_window_ms == window_ms


def test_the_signer_signs_for_the_configured_chain_and_keeps_its_nonce(tmp_path: Path) -> None:
    """The family is V3, the last nonce lies in the state directory by agent and host, and a second start goes on above it."""
    venue = connected(tmp_path, "exchange: {auth: v3, venue: aster-testnet}")
    assert venue.family is V3
    assert f"user={USER}&signer={SIGNER}&signature=0x" in venue.signer.sign([], 1_700_000_000_000)
    kept = tmp_path / f"{SIGNER}-fapi.asterdex-testnet.com.nonce"
    last = int(kept.read_text())
    connected(tmp_path, "exchange: {auth: v3, venue: aster-testnet}").signer.sign([], 1_699_999_999_000)
    assert int(kept.read_text()) == last + 1


def test_a_venue_whose_clock_is_ahead_keeps_no_agent_from_signing_elsewhere(tmp_path: Path) -> None:
    """An hour ahead on one host, the same agent, chain and state directory: the other host's nonces follow its own clock."""
    text = "exchange: {{auth: v3, venue: custom, rest_url: 'http://127.0.0.1:{}', ws_url: 'ws://127.0.0.1:1'}}"
    connected(tmp_path, text.format(1)).signer.sign([], 1_700_003_600_000)
    payload = connected(tmp_path, text.format(2)).signer.sign([], 1_700_000_000_000)
    assert re.match(r"nonce=1700000000000\d{3}&", payload)


@pytest.mark.parametrize(("change", "complaint"), [
    ({"ASTER_SIGNER_KEY": OTHER_KEY}, f"belongs to 0x.*, not to the signer {SIGNER}"), ({"ASTER_SIGNER": USER}, f"not to the signer {USER}"),
    ({"ASTER_USER": USER[:-1]}, "address of the user must be 0x and 40"), ({"ASTER_SIGNER": "../../x"}, "address of the signer must be 0x and 40"),
    ({"ASTER_SIGNER_KEY": KEY[:-1]}, "key must be 64 hexadecimal digits"), ({"ASTER_USER": USER.replace("DD", "dd")}, "EIP-55"),
])
def test_what_does_not_go_together_is_refused_with_its_source(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    """One error, that says where the variables come from and shows no key."""
    with pytest.raises(ConfigError, match=complaint) as caught:
        connected(tmp_path, environ=ENVIRON | change)
    assert "ASTER_SIGNER_KEY come from the environment" in str(caught.value)
    assert not any(key[2:] in str(caught.value) for key in (KEY[:-1], OTHER_KEY))


def test_a_missing_package_is_said_without_blaming_the_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole message is the command that mends it."""
    monkeypatch.setitem(sys.modules, "coincurve", None)
    with pytest.raises(ConfigError, match=r"^exchange.auth v3 needs the packages coincurve and pycryptodome: pip install coincurve pycryptodome$"):
        connected(tmp_path)


def test_a_file_says_where_an_agents_keys_belong(tmp_path: Path) -> None:
    """A signer's key in the YAML is refused, and not repeated."""
    with pytest.raises(ConfigError, match="ASTER_SIGNER_KEY") as caught:
        load_config(write(tmp_path, f"exchange: {{auth: v3, signer_key: '{KEY}'}}"))
    assert KEY[2:] not in str(caught.value)


def test_the_embedded_exchange_needs_no_credentials_under_v3_either(tmp_path: Path) -> None:
    """Its agent is known to everybody, and signs for the user whose account it is."""
    config = load_config(write(tmp_path, "exchange: {auth: v3, venue: paper}"))
    assert load_credentials(config, ENVIRON) is PAPER_AGENT
    assert PAPER_AGENT.user == PaperOptions().user


@pytest.mark.parametrize("code", [-4225, -1021])
def test_a_request_out_of_time_is_no_reason_never_to_start_again(tmp_path: Path, code: int) -> None:
    """A nonce that expired on its way ends the start as unreachable (75), which a supervisor retries, and not as misconfigured (78)."""

    class Late:
        def call(self, call: Call, params: object = ()) -> object:
            raise CallFailed(call, Refusal(400, code, "too late"))

    venue = connected(tmp_path)
    with pytest.raises(VenueUnreachable, match="out of time"):
        prepare(load_config(write(tmp_path)), venue, Late(), lambda notice: None)  # type: ignore[arg-type]


# --- the whole daemon ---


class Served:
    """A paper exchange whose prices stand still, for as long as the test."""

    def __init__(self) -> None:
        clock = ExchangeClock()
        options = PaperOptions(volatility=0.0, api_secret=SECRET)
        self.server = PaperServer(build_exchange(options, clock.now_ms()), clock=clock, settings=ServerSettings(agents=options.agents))
        self.server.start()

    def config(self, directory: Path, auth: str, more: str = "") -> Path:
        directory.mkdir(exist_ok=True)
        exchange = f"exchange: {{venue: custom, auth: {auth}, rest_url: '{self.server.rest_url}', ws_url: '{self.server.ws_url}'}}"
        return write(directory, f"{exchange}\nstrategy: {{buy_spread: 0.004, sell_spread: 0.004}}\n{more}")


def normalised(lines: list[str]) -> list[str]:
    """The log without what no two runs share: times, ports, order names, files, and which of book, streams and countdown is there first at the start."""
    texts = [re.sub(r"^\S+ |http://127\.0\.0\.1:\d+|order=mmd-\w+|file=\S+|(?<= quote )from=\w+", "", line) for line in lines]
    return sorted(text for text in texts if not re.search(r" (credentials|sync|pause) ", text))


@pytest.mark.parametrize(("auth", "change", "set_there"), [("v3", True, True), ("v3", False, False), ("v1", True, False)])
def test_limits_on_fills_are_set_at_the_venue_too(tmp_path: Path, auth: str, change: bool, set_there: bool) -> None:
    """By a start under V3; not by what only looks, nor under V1, which has no such call."""
    served = Served()
    try:
        config = load_config(served.config(tmp_path, auth, "risk: {max_fill_size: 5, fill_window: 2}"))
        venue = connect(config, load_credentials(config, ENVIRON | {"ASTER_API_KEY": "paper", "ASTER_API_SECRET": SECRET}))
        prepare(config, venue, venue.client(), lambda notice: None, change=change)
        with served.server.lock:
            kept = served.server.exchange.accounts["paper"].mmp
        limits = {"symbol": "ETHUSDT", "windowTimeInMilliseconds": 2000, "frozenTimeInMilliseconds": 30_000, "qtyLimit": 5}
        assert kept == (limits if set_there else None)
    finally:
        served.server.stop()


def run_until_quoted(run_daemon: Run, tmp_path: Path, auth: str) -> Daemon:
    served = Served()
    try:
        config = served.config(tmp_path / auth, auth, f"reports: {{prices: 0, balances: 0}}\nledger: {{file: {tmp_path / auth}.ledger}}")
        write_env(config.parent)
        daemon = run_daemon("-c", config)
        daemon.wait_for(r" placed side=BUY ")
        with served.server.lock:
            assert len(served.server.exchange.accounts["paper"].open_orders) == 1
        assert daemon.stop() == 0
        with served.server.lock:
            assert set(served.server.exchange.accounts) == {"paper"}
            assert served.server.exchange.accounts["paper"].open_orders == {}
        return daemon
    finally:
        served.server.stop()


def test_both_families_write_the_same_log_but_for_the_credentials(run_daemon: Run, tmp_path: Path) -> None:
    """The same run under V1 and under V3: quote, stop, nothing left open; only the line about the credentials differs."""
    v1, v3 = (run_until_quoted(run_daemon, tmp_path, auth) for auth in ("v1", "v3"))
    assert normalised(v1.lines) == normalised(v3.lines)
    assert len(normalised(v3.lines)) >= 8
    assert f" credentials auth=v3 user={USER} signer={SIGNER} source=" in v3.lines[0]
    assert " credentials auth=v1 source=" in v1.lines[0]


def test_an_agent_fills_flips_and_renews_its_stream(run_daemon: Run, tmp_path: Path) -> None:
    """The embedded exchange under V3, quotes close to mid and a listen key kept alive every second: a whole cycle, no signature refused, no key in the log."""
    text = ("exchange: {venue: paper, auth: v3}\nstrategy: {buy_spread: 0.0001, sell_spread: 0.0001}\n"
            "timing: {listen_key_interval: 1}\nlogging: {level: debug}")
    daemon = run_daemon("-c", write(tmp_path, text))
    daemon.wait_for(r" listen_key_kept")
    daemon.wait_for(r" mode mode=SELL ")
    daemon.wait_for(r" mode mode=BUY ", count=2)
    assert daemon.stop() == 0
    log = "\n".join(daemon.lines)
    assert re.search(r" stopped why=SIGTERM .* open_orders=0$", log, re.MULTILINE)
    assert not re.search(r"-(1022|1102|2015|4225)\b", log)
    assert not re.search(r"signature|[0-9a-f]{64}", log)


@pytest.mark.parametrize(("key", "signer", "complaint"), [
    (OTHER_KEY, SIGNER, f"not to the signer {SIGNER}"), (KEY, "0x" + "1" * 40, "not to the signer 0x1111"),
])
def test_a_key_and_a_signer_that_do_not_match_end_the_start(run_daemon: Run, tmp_path: Path, key: str, signer: str, complaint: str) -> None:
    """Exit code 78 before any connection, with both addresses and without the key."""
    served = Served()
    try:
        config = served.config(tmp_path, "v3")
        write_env(tmp_path, key, signer)
        daemon = run_daemon("-c", config)
        assert daemon.exit_code() == 78
        assert complaint in daemon.lines[-1]
        assert not any(key[2:] in line for line in daemon.lines)
    finally:
        served.server.stop()


def test_another_chain_is_refused_as_bad_credentials(run_daemon: Run, tmp_path: Path) -> None:
    """Signing for the wrong chain ends the start with 78: starting again would not mend it."""
    served = Served()
    try:
        config = served.config(tmp_path, "v3")
        config.write_text(config.read_text().replace("auth: v3", "auth: v3, chain_id: 714"))
        write_env(tmp_path)
        daemon = run_daemon("-c", config)
        assert daemon.exit_code() == 78
        assert "-1022" in daemon.lines[-1]
    finally:
        served.server.stop()
