"""An OpenID provider, served on loopback: it knows people, and signs its word."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Flask, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "trainyard-tests", "of the client"


@dataclass
class Provider:
    """Who is at the provider's login now, and what it says besides the truth."""

    issuer: str = ""
    subject: str = "s-1"
    username: str = "Grace"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    lies: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self) -> Any:
        asked = request.args.to_dict()
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return redirect(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        )

    def token(self) -> Any:
        asked = self.codes.pop(request.form["code"], None)
        is_client = request.authorization and (
            request.authorization.username,
            request.authorization.password,
        ) == (CLIENT, SECRET)
        verifier = request.form["code_verifier"].encode()
        challenge = urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if asked is None or not is_client or challenge != asked["code_challenge"]:
            return jsonify(error="invalid_grant"), 400
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "preferred_username": self.username,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "nonce": asked["nonce"],
        } | self.lies
        claims = {name: value for name, value in claims.items() if value is not None}
        word = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        return jsonify(access_token="x", token_type="Bearer", id_token=word)


@contextlib.contextmanager
def providing() -> Iterator[Provider]:
    """A provider that answers."""
    provider = Provider()
    app = Flask("provider")
    app.add_url_rule("/authorize", view_func=provider.authorize)
    app.add_url_rule("/token", view_func=provider.token, methods=["POST"])
    app.add_url_rule(
        "/keys",
        "keys",
        lambda: jsonify(keys=[provider.key.as_dict(private=False) | {"use": "sig"}]),
    )
    app.add_url_rule(
        "/.well-known/openid-configuration",
        "about",
        lambda: jsonify(
            issuer=provider.issuer,
            authorization_endpoint=f"{provider.issuer}/authorize",
            token_endpoint=f"{provider.issuer}/token",
            jwks_uri=f"{provider.issuer}/keys",
        ),
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
