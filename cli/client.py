"""A client of the API that answers with plain JSON and raises domain errors."""

from __future__ import annotations

import json
import math
import random
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import urlencode

import httpx
from httpx_sse import SSEError, connect_sse

from cli.partial import Partial, arriving
from core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    TrainyardError,
    Unauthenticated,
    Unavailable,
)
from core.messages import Message, from_json, message, plain

JSON = dict[str, Any]

TIMEOUT = httpx.Timeout(30, connect=5)
SILENCE_S = 30.0  # the server says something every ten seconds
RECONNECT_AFTER_S = 1.0
GIVE_UP_AFTER_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
KEY = "Idempotency-Key"
TRY_AGAIN = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)


class Client:
    """Talks to one server."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        ca: Path | str | None = None,
        tries: int = 1,
    ) -> None:
        self.url = url
        self._tries = tries
        # loopback, or a server of one's own: never by way of a proxy
        self._http = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT,
            trust_env=False,
            verify=believed(ca) if url.startswith("https:") else True,
        )

    def close(self) -> None:
        """Let go of the connection, which is kept from one request to the next."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Fetch JSON."""
        return _json(self._request("GET", path, params=parameters))

    def text(self, path: str, **parameters: Any) -> str:
        """Fetch a text, such as a table with commas."""
        return self._request("GET", path, params=parameters).text

    def picture(self, path: str) -> bytes | JSON:
        """Fetch a picture; while it is not there, what is said of it."""
        response = self._request("GET", path)
        return _json(response) if response.status_code == httpx.codes.ACCEPTED else response.content

    def delete(self, path: str) -> None:
        """Ask that something be there no longer."""
        self._request("DELETE", path)

    def post(self, path: str, body: JSON | None = None, *, key: str | None = None) -> Any:
        """Send JSON and fetch the answer; by the same key twice it is done once."""
        headers = {KEY: key} if key else {}
        return _json(self._request("POST", path, json=body or {}, headers=headers))

    def patch(self, path: str, body: JSON) -> Any:
        """Send JSON that changes a part, and fetch the answer."""
        return _json(self._request("PATCH", path, json=body))

    def put(self, path: str, body: JSON) -> Any:
        """Send JSON that takes the place of what is there, and fetch the answer."""
        return _json(self._request("PUT", path, json=body))

    def all(self, path: str, **parameters: Any) -> Iterator[JSON]:
        """Every item of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, cursor=cursor, limit=500, **parameters)
            yield from page["items"]
            cursor = page["next"]

    def has_accounts(self) -> bool:
        """Whether people log in at the server; one of an earlier release does not say so."""
        try:
            return bool(self.get("/me")["accounts"] == "shared")
        except NotFound:
            return False

    def artifacts(self, job_id: int) -> list[JSON]:
        """What a run has published: its weights in each format, and its card."""
        return list(self.all(f"/jobs/{job_id}/artifacts"))

    def page_of(self, job_id: int) -> str:
        """The address of a run's page."""
        return f"{self.url}/jobs/{job_id}"

    def page_of_tag(self, tag: str) -> str:
        """The address of the list of the runs that have a tag."""
        return f"{self.url}/?{urlencode({'tag': tag})}"

    def events(self, job_id: int, deadline: float | None = None) -> Iterator[tuple[str, Any]]:
        """A job's live stream: (name, data) until it has ended, over lost connections too.

        Args:
            job_id: whose.
            deadline: of `time.monotonic`; it ends there, at the next thing that the server says.

        Raises:
            Unavailable: the server was away for too long.
        """
        seen = ""
        away_since: float | None = None
        while True:
            headers = {"Last-Event-ID": seen} if seen else {}
            try:
                with connect_sse(
                    self._http,
                    "GET",
                    f"jobs/{job_id}/events",
                    headers=headers,
                    timeout=httpx.Timeout(SILENCE_S, connect=5),
                ) as source:
                    if source.response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if source.response.is_error:
                        source.response.read()
                        _raise_problem(source.response)
                    for event in source.iter_sse():
                        if deadline is not None and time.monotonic() > deadline:
                            return
                        away_since = None
                        seen = event.id or seen
                        # a bare retry time comes as an event too, and that the server is there
                        if event.data and event.event != "heartbeat":
                            yield event.event, json.loads(event.data)
                        if event.event == "end":
                            return
            except (httpx.TransportError, SSEError, Unavailable) as error:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > GIVE_UP_AFTER_S:
                    raise Unavailable(self._away(error)) from error
            time.sleep(RECONNECT_AFTER_S)

    def happenings(self) -> Iterator[JSON]:
        """The history of all runs from now on, until the connection is lost.

        Raises:
            Unavailable: the server is away, or the connection was lost.
        """
        try:
            silence = httpx.Timeout(SILENCE_S, connect=5)
            with connect_sse(self._http, "GET", "events", timeout=silence) as source:
                if source.response.is_error:
                    source.response.read()
                    _raise_problem(source.response)
                for event in source.iter_sse():
                    if event.event == "happened":
                        yield json.loads(event.data)
        except (httpx.TransportError, SSEError) as error:
            raise Unavailable(self._away(error)) from error

    def download(self, artifact: JSON, target: Path) -> Path:
        """Save an artifact and check its digest. An existing file is replaced only when whole.

        What an earlier try has saved of it is continued.

        Raises:
            Unavailable: the server was away; what has arrived is kept for the next try.
            TrainyardError: what arrived is not what was published.
        """
        try:
            with arriving(target, artifact["sha256"]) as partial:
                self._fetch(artifact, partial)
                if partial.sha256 != artifact["sha256"]:
                    partial.start_over()
                    raise TrainyardError(message("client.damaged_download"))
                partial.become(target)
        except OSError as error:
            detail = error.strerror or str(error)
            reason = message("client.not_writable", path=str(target), detail=detail)
            raise TrainyardError(reason) from error
        return target

    def _fetch(self, artifact: JSON, partial: Partial) -> None:
        """Let the rest of a file arrive, by several tries where there are several."""
        for number in range(self._tries):
            try:
                self._fetch_once(artifact, partial)
            except httpx.TransportError as error:
                if number + 1 == self._tries:
                    raise Unavailable(self._away(error)) from error
                time.sleep(_pause_s(number, None))
            else:
                return

    def _fetch_once(self, artifact: JSON, partial: Partial) -> None:
        if partial.size and partial.size >= artifact.get("size", math.inf):
            return  # it has arrived, and nobody was there to put it into its place
        headers = {"Range": f"bytes={partial.size}-"} if partial.size else {}
        path = f"artifacts/{artifact['id']}/download"
        with self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                _raise_problem(response)
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                partial.start_over()  # all of it comes
            for piece in response.iter_bytes(1 << 20):
                partial.add(piece)

    def _sent(self, method: str, path: str, **options: Any) -> Any:
        """Send a request with all that it needs, and fetch the answer."""
        return _json(self._request(method, path, **options))

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask; again where that changes nothing more, and the server was away or had no time."""
        is_repeatable = method == "GET" or KEY in (options.get("headers") or {})
        tries = self._tries if is_repeatable else 1
        for number in range(tries):
            is_last = number + 1 == tries
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if is_last:
                    raise Unavailable(self._away(error)) from error
                time.sleep(_pause_s(number, None))
                continue
            if response.status_code not in TRY_AGAIN or is_last:
                break
            time.sleep(_pause_s(number, response.headers.get("Retry-After")))
        if response.is_error:
            _raise_problem(response)
        return response

    def _away(self, error: Exception) -> Message:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return message("client.not_believed", url=self.url, detail=str(error))
        return message("client.no_answer", url=self.url, detail=str(error))


def believed(ca: Path | str | None = None) -> ssl.SSLContext:
    """The certificates to believe: the system's, those of SSL_CERT_FILE, and those of a file."""
    context = ssl.create_default_context()  # which reads SSL_CERT_FILE and SSL_CERT_DIR itself
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except OSError as error:
            reason = message("client.no_certificates", path=str(ca), detail=str(error))
            raise TrainyardError(reason) from error
    return context


def _pause_s(number: int, wanted: str | None) -> float:
    """How long to wait before the next try: as the server says, else longer each time."""
    if seconds := _seconds(wanted):
        return min(seconds, LONGEST_PAUSE_S)
    return FIRST_PAUSE_S * 2.0**number * random.uniform(0.5, 1.0)


def _seconds(sent: str | None) -> float:
    """What a header asks to wait; 0: it is not there, or is a date."""
    return float(sent) if sent and sent.isascii() and sent.isdigit() else 0.0


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise _not_ours(response) from None


def _not_ours(response: httpx.Response) -> Unavailable:
    return Unavailable(
        message("client.not_ours", host=response.url.host, status=response.status_code)
    )


def _raise_problem(response: httpx.Response) -> NoReturn:
    """Turn a problem+json answer back into the error that it was made from."""
    try:
        problem = response.json()
        reason = _reason(problem, "detail")
        fields = problem.get("errors") or []
        errors = [FieldError(each["field"], _reason(each, "message")) for each in fields]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _not_ours(response) from None
    if errors:
        raise InvalidInput(errors)
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise TooManyRequests(reason, _seconds(response.headers.get("Retry-After")))
    raise _ERRORS.get(response.status_code, TrainyardError)(reason)


def _reason(sent: JSON, sentence: str) -> Message:
    """The reason that a server sent, or its sentence where this release does not know the code."""
    try:
        reason = from_json(sent)
    except (KeyError, TypeError, AttributeError):
        return plain(str(sent[sentence]))
    return reason if reason.is_known else plain(str(sent[sentence]))


_ERRORS: dict[int, type[TrainyardError]] = {
    httpx.codes.UNAUTHORIZED: Unauthenticated,
    httpx.codes.NOT_FOUND: NotFound,
    httpx.codes.CONFLICT: Conflict,
    httpx.codes.FORBIDDEN: Forbidden,
    httpx.codes.SERVICE_UNAVAILABLE: Unavailable,
}
