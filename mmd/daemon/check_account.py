"""The second part of a check: the account. Rules, modes, fees, rate limits, balances, position, orders, agent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mmd.core.messages import Reconcile, Reconciled
from mmd.daemon.finding import Check, Finding, Verdict, fail, ok, warn
from mmd.daemon.reporters import plain
from mmd.venue.account import read_dual_side_position, read_multi_assets_margin, read_position_settings, read_rules
from mmd.venue.clock import monotonic_ms
from mmd.venue.gateway import Gateway
from mmd.venue.terms import read_agent, read_commission_rates

_DAY_MS = 86_400_000


def account_findings(check: Check) -> Iterator[Finding]:
    """Raises CallFailed, ConfigError (unknown symbol), RulesError and ParseError for what makes the rest meaningless."""
    yield from _symbol(check)
    yield from _agent(check)
    yield from _modes(check)
    yield from _fees(check)
    yield from _standing(check)
    yield from _rates(check)


def _symbol(check: Check) -> Iterator[Finding]:
    rules = check.rules = read_rules(check.rest, check.config.symbol)
    text = (
        f"{rules.symbol} {rules.status} tick={rules.price.step} step={rules.size.step} min_notional={rules.min_notional} "
        f"sizes={rules.size.text(rules.min_size_lots)}..{rules.size.text(rules.max_size_lots)}"
    )
    yield ok("symbol", text) if rules.is_trading else fail("symbol", text, "wait until it is TRADING again, or choose another symbol")


def _agent(check: Check) -> Iterator[Finding]:
    if check.venue.agent is None:
        return
    agent = read_agent(check.rest, check.venue.agent)
    if agent is None:
        yield warn("agent", f"the venue does not tell what {check.venue.agent} may do, and until when", "look at its API wallet page")
    elif not agent.may_trade:
        yield fail("agent", f"{check.venue.agent} may not trade perpetuals", "allow it on the venue's API wallet page")
    else:
        left_ms = agent.expires_ms - check.venue.clock.now_ms(monotonic_ms())
        text = f"{check.venue.agent} may trade perpetuals for {left_ms / _DAY_MS:.0f} days"
        if left_ms <= 0:
            yield fail("agent", f"the permission of {check.venue.agent} has expired", "renew it on the venue's API wallet page")
        elif left_ms > 7 * _DAY_MS:
            yield ok("agent", text)
        else:
            yield warn("agent", text, "renew it on the venue's API wallet page before it expires")


def _modes(check: Check) -> Iterator[Finding]:
    account = check.config.account
    if read_dual_side_position(check.rest):
        # Final, because positions that come in pairs are read by nothing that follows.
        way_out = "switch to one-way mode in the venue's settings; mmd trades in no other"
        yield Finding(Verdict.FAIL, "position mode", "hedge mode (dualSidePosition)", way_out, final=True)
        return
    yield ok("position mode", "one-way")
    multi = read_multi_assets_margin(check.rest)
    yield ok("margin mode", "multi-assets" if multi else "single-asset")
    found = check.settings = read_position_settings(check.rest, check.config.symbol)
    for subject, have, want in (("leverage", found.leverage, account.leverage), ("margin type", found.margin_type, account.margin_type)):
        change = f", the start sets it to {want}" if want is not None and want != have else ""
        yield ok(subject, f"{have}{change}")
    if multi and account.margin_type == "ISOLATED":
        yield fail("margin type", "isolated margin cannot be had in multi-assets mode", "change strategy.margin_type, or the account's mode")


def _fees(check: Check) -> Iterator[Finding]:
    rates = read_commission_rates(check.rest, check.config.symbol)
    strategy = check.config.engine.strategy
    earned, paid = strategy.buy_spread + strategy.sell_spread, 2 * rates.maker
    text = f"maker={plain(rates.maker)} taker={plain(rates.taker)}; a round trip earns {plain(earned)} and pays {plain(paid)}"
    yield ok("fees", text) if earned > paid else warn("fees", text, "every round trip at these spreads loses money; widen them")


def _standing(check: Check) -> Iterator[Finding]:
    rules = check.rules
    assert rules is not None
    outcome = Gateway(check.rest, rules).perform(Reconcile(None)).outcome
    if not isinstance(outcome, Reconciled):
        yield Finding(Verdict.FAIL, "account", f"orders, position and balances cannot be read: {outcome}", "", final=True)
        return
    check.truth = outcome
    assets = check.config.engine.strategy.margin_assets
    text = " ".join(f"{asset}={plain(outcome.balances.get(asset, Decimal(0)))}" for asset in assets)
    share = check.balance * check.config.engine.strategy.balance_fraction
    if share >= rules.min_notional:
        yield ok("balance", f"{text} total={plain(check.balance)}")
    else:
        text += f"; strategy.balance_fraction of it is {plain(share)}, below the minimum notional {rules.min_notional}"
        yield fail("balance", text, "deposit more, or raise strategy.balance_fraction")
    position = outcome.position
    if position.amount_lots:
        text = f"{rules.size.text(position.amount_lots)} {rules.base_asset} at {plain(position.entry_price)}"
        yield warn("position", text, "the start takes it up and offers it, reduce-only")
    else:
        yield ok("position", "flat")
    prefix = f"{check.config.engine.orders.client_id_prefix}-"
    own = sum(order.client_order_id.startswith(prefix) for order in outcome.open_orders)
    foreign = len(outcome.open_orders) - own
    if foreign:
        everything = check.config.engine.orders.cancel_scope_symbol
        fate = "the start cancels them (orders.cancel_scope: symbol)" if everything else "they are left alone; risk.countdown would cancel them too"
        yield warn("open orders", f"ours={own} not ours={foreign}", fate)
    else:
        yield ok("open orders", f"ours={own} not ours=0")


def _rates(check: Check) -> Iterator[Finding]:
    rules, usage = check.rules, check.rest.usage
    assert rules is not None
    used = usage.weight_1m if usage.weight_1m is not None else 0
    text = f"weight {used} of {rules.weight_per_minute} a minute used from this address; {rules.orders_per_minute} orders a minute allowed"
    if used < rules.weight_per_minute // 2:
        yield ok("rate limits", text)
    else:
        yield warn("rate limits", text, "something else on this address spends the most of it")
