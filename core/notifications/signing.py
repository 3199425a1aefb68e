"""How messages are signed: Standard Webhooks, and what Feishu and DingTalk ask for.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlencode

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A secret of a webhook, as its receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(event_id: str, at: int, body: bytes, signed_by: Sequence[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks.

    Args:
        event_id: the same over all tries.
        at: seconds since 1970, of this try.
        body: as it is sent.
        signed_by: the secrets; a receiver needs to know one of them.
    """
    signed = f"{event_id}.{at}.".encode() + body
    signatures = (f"v1,{_hmac(_key(secret), signed)}" for secret in signed_by)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }


def of_feishu(secret: str, at: int) -> dict[str, str]:
    """What a signed body of Feishu holds besides. The text to sign is their key, and nothing."""
    return {"timestamp": str(at), "sign": _hmac(f"{at}\n{secret}".encode(), b"")}


def of_dingtalk(secret: str, at: int) -> str:
    """What a signed address of DingTalk ends with. Their moments are milliseconds."""
    moment = str(at * 1000)
    return urlencode(
        {"timestamp": moment, "sign": _hmac(secret.encode(), f"{moment}\n{secret}".encode())}
    )


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def _hmac(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
