"""The message as each kind of receiver takes it: Standard Webhooks, or a chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.languages import speaking
from core.notifications import signing
from core.notifications.notices import sentence
from core.notifications.posting import Answer

LONGEST_TEXT = 1900
"""Discord takes 2,000 characters, the others more."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Something to be told, and what it is told with."""

    event_id: str
    payload: Mapping[str, Any]
    created_at: datetime
    address: str
    """Of the page to read on, or empty."""
    language: str
    at: int
    """Seconds since 1970, of this try."""
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    body: bytes
    query: str = ""
    """What the receiver's address ends with."""
    headers: dict[str, str] = field(default_factory=dict)


def request_for(kind: str, letter: Letter) -> Request:
    """What a receiver of some kind is sent."""
    return _KINDS[kind](letter)


def text_of(letter: Letter) -> str:
    """The sentence in the language of whoever is told."""
    with speaking(letter.language):
        return sentence(letter.payload).text[:LONGEST_TEXT]


def complaint(kind: str, answer: Answer) -> str:
    """What is wrong with a good answer: some chats answer 200 to what they refuse. Else empty."""
    name = {"feishu": "code", "dingtalk": "errcode"}.get(kind)
    if name is None:
        return ""
    try:
        code = json.loads(answer.body).get(name, 0)
    except (ValueError, AttributeError):
        return ""
    return answer.excerpt if code != 0 else ""


def _standard(letter: Letter) -> Request:
    moment = letter.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = dict(letter.payload["data"])
    if letter.address:
        data["address"] = letter.address
    body = _json({"type": letter.payload["type"], "timestamp": moment, "data": data})
    headers = signing.headers(letter.event_id, letter.at, body, letter.secrets)
    return Request(body, headers=headers)


def _slack(letter: Letter) -> Request:
    text = text_of(letter)
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, written)
    return Request(_json({"text": _with_address(text, letter)}))


def _discord(letter: Letter) -> Request:
    text = _with_address(text_of(letter), letter)
    return Request(_json({"content": text, "allowed_mentions": {"parse": []}}))


def _feishu(letter: Letter) -> Request:
    text = {"text": _with_address(text_of(letter), letter)}
    signed = signing.of_feishu(letter.secrets[0], letter.at) if letter.secrets else {}
    return Request(_json({**signed, "msg_type": "text", "content": text}))


def _dingtalk(letter: Letter) -> Request:
    text = {"content": _with_address(text_of(letter), letter)}
    query = signing.of_dingtalk(letter.secrets[0], letter.at) if letter.secrets else ""
    return Request(_json({"msgtype": "text", "text": text}), query)


_KINDS: dict[str, Callable[[Letter], Request]] = {
    "standard": _standard,
    "slack": _slack,
    "discord": _discord,
    "feishu": _feishu,
    "dingtalk": _dingtalk,
}


def _with_address(text: str, letter: Letter) -> str:
    return f"{text}\n{letter.address}" if letter.address else text


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
