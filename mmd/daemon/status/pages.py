"""What is served, on the control socket and on the web alike: the page, the status, its history, metrics, and whether all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources

from mmd.core.errors import ConfigError
from mmd.daemon.status import metrics
from mmd.daemon.status.server import Answer, Routes, text_answer
from mmd.daemon.status.source import StatusSource

_JSON = "application/json"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def routes(source: StatusSource) -> Routes:
    """Every path and what it answers with. The page's files are read here, once."""

    def status() -> Answer:
        return Answer(HTTPStatus.OK, _JSON, source.drawn().text)

    def history() -> Answer:
        return Answer(HTTPStatus.OK, _JSON, source.history.text())

    def health() -> Answer:
        state = source.drawn().status["state"]
        found = HTTPStatus.OK if state["well"] else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(found, _JSON, json.dumps({"state": state["name"], "heartbeat_age_s": state["heartbeat_age_s"]}).encode())

    def scraped() -> Answer:
        try:
            return Answer(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.exposition(source.drawn().status))
        except ConfigError as error:
            return text_answer(HTTPStatus.NOT_IMPLEMENTED, str(error))

    return {"/status.json": status, "/history.json": history, "/healthz": health, "/metrics": scraped, **_page_files()}


def _page_files() -> dict[str, Callable[[], Answer]]:
    found: dict[str, Callable[[], Answer]] = {}
    for file in resources.files("mmd.daemon.status").joinpath("page").iterdir():
        content_type = _TYPES.get(file.name[file.name.rfind("."):])
        if content_type is not None:
            answer = Answer(HTTPStatus.OK, content_type, file.read_bytes())
            found["/" if file.name == "index.html" else f"/{file.name}"] = _always(answer)
    return found


def _always(answer: Answer) -> Callable[[], Answer]:
    return lambda: answer
