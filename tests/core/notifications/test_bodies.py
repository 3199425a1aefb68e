"""Each kind of receiver gets the body, and the signature, that it asks for."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from core.messages import as_json, plain
from core.notifications.bodies import Letter, complaint, request_for
from core.notifications.posting import Answer

SECRET = "SECabc"
AT = 1_700_000_000
PAYLOAD = {
    "type": "run.failed",
    "data": {"name": "<b>&run", "state": "failed", "reason": as_json(plain("no data"))},
}
PAGE = "https://trains.example/jobs/7"


def letter(secrets=(SECRET,), language="en"):
    return Letter("msg_1", PAYLOAD, datetime(2026, 1, 1, tzinfo=UTC), PAGE, language, AT, secrets)


def body_of(kind, **options):
    return json.loads(request_for(kind, letter(**options)).body)


def test_slack_gets_text_in_which_nothing_is_a_mark():
    assert body_of("slack") == {"text": f"&lt;b&gt;&amp;run failed (no data).\n{PAGE}"}


def test_discord_gets_text_that_calls_nobody():
    body = body_of("discord")

    assert body["content"] == f"<b>&run failed (no data).\n{PAGE}"
    assert body["allowed_mentions"] == {"parse": []}


def test_feishu_gets_its_signature_in_the_body():
    body = body_of("feishu")

    signed = hmac.new(f"{AT}\n{SECRET}".encode(), b"", hashlib.sha256).digest()
    assert body["timestamp"] == str(AT)
    assert body["sign"] == base64.b64encode(signed).decode()
    assert (body["msg_type"], PAGE in body["content"]["text"]) == ("text", True)


def test_dingtalk_gets_its_signature_in_the_address():
    request = request_for("dingtalk", letter())

    found = parse_qs(request.query)
    signed = hmac.new(SECRET.encode(), f"{AT * 1000}\n{SECRET}".encode(), hashlib.sha256).digest()
    assert found == {"timestamp": [f"{AT * 1000}"], "sign": [base64.b64encode(signed).decode()]}
    assert json.loads(request.body)["msgtype"] == "text"


@pytest.mark.parametrize("kind", ["feishu", "dingtalk"])
def test_a_chat_without_a_secret_gets_no_signature(kind):
    request = request_for(kind, letter(secrets=()))

    assert request.query == ""
    assert "sign" not in json.loads(request.body)


def test_a_sentence_is_in_the_language_of_whoever_is_told():
    assert "failed" not in body_of("slack", language="zh")["text"]


@pytest.mark.parametrize(
    ("kind", "body", "is_refused"),
    [
        ("feishu", b'{"code": 19021, "msg": "sign match fail"}', True),
        ("feishu", b'{"code": 0}', False),
        ("dingtalk", b'{"errcode": 310000}', True),
        ("dingtalk", b'{"errcode": 0}', False),
        ("dingtalk", b"[]", False),
        ("slack", b"ok", False),
    ],
)
def test_a_chat_that_answers_well_may_still_refuse(kind, body, is_refused):
    assert bool(complaint(kind, Answer(200, body))) is is_refused
