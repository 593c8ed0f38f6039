"""From the `paper` section of the configuration to the options of the paper exchange."""

from __future__ import annotations

from mmd.daemon.config import Config
from mmd.paper.options import PaperOptions


def paper_options(config: Config) -> PaperOptions:
    """The options of the exchange that `venue: paper` embeds; its account has the options' own key, secret and user."""
    paper = config.paper
    return PaperOptions(
        symbol=config.symbol,
        market=paper.market,
        data=paper.data,
        speed=float(paper.speed),
        loop=paper.loop,
        seed=paper.seed,
        volatility=None if paper.volatility is None else float(paper.volatility),
        balance=paper.balance,
        balance_usdf=paper.balance_usdf,
        chain_id=config.exchange.chain_id,
    )
