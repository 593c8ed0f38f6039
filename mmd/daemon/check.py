"""`mmd -c FILE check [--offline] [--json]`: everything that must be right before the first order, a line each, and the quotes that would be sent.

It sends no order and changes nothing. What cannot be asked because something before it failed is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from mmd.core.errors import MmdError
from mmd.core.messages import Lost, Refusal, Unsent
from mmd.daemon.check_account import account_findings
from mmd.daemon.check_market import market_findings
from mmd.daemon.check_place import offline_findings, place_findings
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.credentials import AgentCredentials, Credentials
from mmd.daemon.finding import Check, Finding, Verdict
from mmd.venue.rest_codec import CallFailed

_CREDENTIALS = {
    -2014: "the key is not of the venue's format; copy it anew",
    -2015: "the key or agent is unknown, revoked or expired, or this address is not on its list; look at the venue's API management",
    -1002: "the key lacks the right; look at the venue's API management",
}
_Parts = tuple[tuple[str, Callable[[Check], Iterator[Finding]]], ...]
_ALL: _Parts = (("files", place_findings), ("account", account_findings), ("market", market_findings))
_OFFLINE: _Parts = (("files", offline_findings),)

# What a refused signature (-1022) comes of. Under V3 the start has shown already that key and signer belong together.
_SIGNATURE = {
    "v1": "the secret does not belong to the key; copy both anew",
    "v3": "the agent's key is the right one, so it signs for another chain than the venue's: see exchange.chain_id",
}


def run_check(
    config: Config, venue: Venue, credentials: Credentials | AgentCredentials, as_json: bool = False, *, offline: bool = False
) -> bool:
    """Print the findings to standard output; False where one of them forbids to start. `offline` leaves out whatever needs the venue."""
    findings: list[Finding] = []
    for finding in _findings(Check(config, venue, credentials), _OFFLINE if offline else _ALL):
        findings.append(finding)
        if not as_json:
            print(finding.line(), flush=True)
    if as_json:
        print(findings_json(findings))
    return all(finding.verdict is not Verdict.FAIL for finding in findings)


def findings_json(findings: list[Finding]) -> str:
    """One object: `ok`, the first cause where it is not, and all findings in order."""
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    report = {
        "ok": not failed,
        "first_cause": f"{failed[0].subject}: {failed[0].text}" if failed else None,
        "findings": [{"verdict": each.verdict.value, "subject": each.subject, "text": each.text, "way_out": each.way_out} for each in findings],
    }
    return json.dumps(report, ensure_ascii=False, indent=2)


def _findings(check: Check, parts: _Parts) -> Iterator[Finding]:
    """Each part as far as it gets; a part that fails for good ends the rest."""
    for subject, part in parts:
        try:
            for finding in part(check):
                yield finding
                if finding.verdict is Verdict.FAIL and finding.final:
                    return
        except CallFailed as error:
            yield _of_failure(error, check.config.exchange.auth)
            return
        except MmdError as error:
            yield Finding(Verdict.FAIL, subject, str(error), "", final=True)
            return


def _of_failure(error: CallFailed, auth: str) -> Finding:
    outcome = error.outcome
    way_out = {**_CREDENTIALS, -1022: _SIGNATURE[auth]}.get(outcome.code) if isinstance(outcome, Refusal) else None
    if way_out is not None:
        return Finding(Verdict.FAIL, "credentials", str(error), way_out, final=True)
    if isinstance(outcome, (Unsent, Lost)):
        return Finding(Verdict.FAIL, "network", str(error), "look at the network, the venue's address and its status page", final=True)
    return Finding(Verdict.FAIL, "venue", str(error), "the venue's own words say what it wants", final=True)
