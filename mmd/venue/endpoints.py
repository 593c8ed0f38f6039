"""Where each call lives: method, path and security, one table a family."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple


class Call(Enum):
    """What mmd asks of the venue over REST."""

    PING = auto()
    SERVER_TIME = auto()
    EXCHANGE_INFO = auto()
    PLACE = auto()
    AMEND = auto()
    CANCEL = auto()
    PLACE_BATCH = auto()
    CANCEL_BATCH = auto()
    CANCEL_ALL = auto()
    QUERY = auto()
    OPEN_ORDERS = auto()
    USER_TRADES = auto()
    INCOME = auto()
    POSITION_RISK = auto()
    BALANCE = auto()
    COUNTDOWN = auto()
    POSITION_MODE = auto()
    MULTI_ASSETS_MARGIN = auto()
    SET_LEVERAGE = auto()
    SET_MARGIN_TYPE = auto()
    NEW_LISTEN_KEY = auto()
    KEEP_LISTEN_KEY = auto()
    COMMISSION_RATE = auto()
    SET_MMP = auto()
    MMP = auto()
    RESET_MMP = auto()
    AGENTS = auto()


class Security(Enum):
    """V1 "Endpoint Security Type": nothing, the key's header alone, or the header and a signature. V3 knows no middle way."""

    NONE = auto()
    KEY = auto()
    SIGNED = auto()


class Endpoint(NamedTuple):
    method: str
    path: str
    security: Security


Family = Mapping[Call, Endpoint]

# Calls that may change an order: their outcome is unknown unless the venue's answer proves it (FAULTS O1, O9).
CHANGES_ORDERS = frozenset({
    Call.PLACE, Call.AMEND, Call.CANCEL, Call.PLACE_BATCH, Call.CANCEL_BATCH, Call.CANCEL_ALL, Call.COUNTDOWN,
})  # fmt: skip

V1: Family = {
    Call.PING: Endpoint("GET", "/fapi/v1/ping", Security.NONE),
    Call.SERVER_TIME: Endpoint("GET", "/fapi/v1/time", Security.NONE),
    Call.EXCHANGE_INFO: Endpoint("GET", "/fapi/v1/exchangeInfo", Security.NONE),
    Call.PLACE: Endpoint("POST", "/fapi/v1/order", Security.SIGNED),
    Call.AMEND: Endpoint("PUT", "/fapi/v1/order", Security.SIGNED),
    Call.CANCEL: Endpoint("DELETE", "/fapi/v1/order", Security.SIGNED),
    Call.PLACE_BATCH: Endpoint("POST", "/fapi/v1/batchOrders", Security.SIGNED),
    Call.CANCEL_BATCH: Endpoint("DELETE", "/fapi/v1/batchOrders", Security.SIGNED),
    Call.CANCEL_ALL: Endpoint("DELETE", "/fapi/v1/allOpenOrders", Security.SIGNED),
    Call.QUERY: Endpoint("GET", "/fapi/v1/order", Security.SIGNED),
    Call.OPEN_ORDERS: Endpoint("GET", "/fapi/v1/openOrders", Security.SIGNED),
    Call.USER_TRADES: Endpoint("GET", "/fapi/v1/userTrades", Security.SIGNED),
    Call.INCOME: Endpoint("GET", "/fapi/v1/income", Security.SIGNED),
    Call.POSITION_RISK: Endpoint("GET", "/fapi/v2/positionRisk", Security.SIGNED),
    Call.BALANCE: Endpoint("GET", "/fapi/v2/balance", Security.SIGNED),
    Call.COUNTDOWN: Endpoint("POST", "/fapi/v1/countdownCancelAll", Security.SIGNED),
    Call.POSITION_MODE: Endpoint("GET", "/fapi/v1/positionSide/dual", Security.SIGNED),
    Call.MULTI_ASSETS_MARGIN: Endpoint("GET", "/fapi/v1/multiAssetsMargin", Security.SIGNED),
    Call.SET_LEVERAGE: Endpoint("POST", "/fapi/v1/leverage", Security.SIGNED),
    Call.SET_MARGIN_TYPE: Endpoint("POST", "/fapi/v1/marginType", Security.SIGNED),
    Call.NEW_LISTEN_KEY: Endpoint("POST", "/fapi/v1/listenKey", Security.KEY),
    Call.KEEP_LISTEN_KEY: Endpoint("PUT", "/fapi/v1/listenKey", Security.KEY),
    Call.COMMISSION_RATE: Endpoint("GET", "/fapi/v1/commissionRate", Security.SIGNED),
}

# V3 "Account/Trades Endpoints"; the listen key is signed for too (V3 "Endpoints requiring signature": USER_STREAM).
V3: Family = {
    Call.PING: Endpoint("GET", "/fapi/v3/ping", Security.NONE),
    Call.SERVER_TIME: Endpoint("GET", "/fapi/v3/time", Security.NONE),
    Call.EXCHANGE_INFO: Endpoint("GET", "/fapi/v3/exchangeInfo", Security.NONE),
    Call.PLACE: Endpoint("POST", "/fapi/v3/order", Security.SIGNED),
    Call.AMEND: Endpoint("PUT", "/fapi/v3/order", Security.SIGNED),
    Call.CANCEL: Endpoint("DELETE", "/fapi/v3/order", Security.SIGNED),
    Call.PLACE_BATCH: Endpoint("POST", "/fapi/v3/batchOrders", Security.SIGNED),
    Call.CANCEL_BATCH: Endpoint("DELETE", "/fapi/v3/batchOrders", Security.SIGNED),
    Call.CANCEL_ALL: Endpoint("DELETE", "/fapi/v3/allOpenOrders", Security.SIGNED),
    Call.QUERY: Endpoint("GET", "/fapi/v3/order", Security.SIGNED),
    Call.OPEN_ORDERS: Endpoint("GET", "/fapi/v3/openOrders", Security.SIGNED),
    Call.USER_TRADES: Endpoint("GET", "/fapi/v3/userTrades", Security.SIGNED),
    Call.INCOME: Endpoint("GET", "/fapi/v3/income", Security.SIGNED),
    Call.POSITION_RISK: Endpoint("GET", "/fapi/v3/positionRisk", Security.SIGNED),
    Call.BALANCE: Endpoint("GET", "/fapi/v3/balance", Security.SIGNED),
    Call.COUNTDOWN: Endpoint("POST", "/fapi/v3/countdownCancelAll", Security.SIGNED),
    Call.POSITION_MODE: Endpoint("GET", "/fapi/v3/positionSide/dual", Security.SIGNED),
    Call.MULTI_ASSETS_MARGIN: Endpoint("GET", "/fapi/v3/multiAssetsMargin", Security.SIGNED),
    Call.SET_LEVERAGE: Endpoint("POST", "/fapi/v3/leverage", Security.SIGNED),
    Call.SET_MARGIN_TYPE: Endpoint("POST", "/fapi/v3/marginType", Security.SIGNED),
    Call.NEW_LISTEN_KEY: Endpoint("POST", "/fapi/v3/listenKey", Security.SIGNED),
    Call.KEEP_LISTEN_KEY: Endpoint("PUT", "/fapi/v3/listenKey", Security.SIGNED),
    Call.COMMISSION_RATE: Endpoint("GET", "/fapi/v3/commissionRate", Security.SIGNED),
    Call.SET_MMP: Endpoint("POST", "/fapi/v3/mmp", Security.SIGNED),
    Call.MMP: Endpoint("GET", "/fapi/v3/mmp", Security.SIGNED),
    Call.RESET_MMP: Endpoint("POST", "/fapi/v3/mmpReset", Security.SIGNED),
    # Not in the API text; the venue's own demo/aster-code.py calls it `getAgents`.
    Call.AGENTS: Endpoint("GET", "/fapi/v3/agent", Security.SIGNED),
}
