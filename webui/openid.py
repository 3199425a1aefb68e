"""OpenID Connect: people come in by a provider that knows them (authorization code with PKCE).

What a browser takes along to the provider and back lies in a cookie that is signed here: the state,
so that nobody's browser can be logged in as somebody else; the nonce, which the provider must put
into its word; and the verifier of the code (RFC 7636). Nothing is kept on the server meanwhile.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.accounts.identities import Claimed
from core.errors import BadRequest, Unavailable
from core.logs import get_logger
from core.messages import message
from core.settings import Settings

TIMEOUT_S = 10.0
WAY_S = 600
"""That somebody may take at the provider."""
KNOWN_S = 3600.0
"""That what a provider says of itself is believed without asking again."""
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
LEEWAY_S = 60

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """What a browser takes along: where it began, and what must come back."""

    state: str
    nonce: str
    verifier: str
    onward: str = ""
    """The page that was asked for."""
    invitation: str = ""
    """The secret of the link by which an account is to be made."""
    is_link: bool = False
    """Whether whoever is logged in wants to come in so too."""


def new_way(onward: str = "", invitation: str = "", *, is_link: bool = False) -> Way:
    """A way to the provider and back."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Way(state, nonce, verifier, onward, invitation, is_link)


class Provider:
    """The provider that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}
        self._signer = URLSafeTimedSerializer(
            settings.signing_key, salt="openid", signer_kwargs={"digest_method": hashlib.sha256}
        )

    @property
    def issuer(self) -> str:
        """Its name, an address."""
        return self._settings.openid_issuer

    @property
    def name(self) -> str:
        """What people call it."""
        return self._settings.openid_name or urlsplit(self.issuer).hostname or self.issuer

    def packed(self, way: Way) -> str:
        """A way as a cookie holds it."""
        text = self._signer.dumps(asdict(way))
        assert isinstance(text, str)
        return text

    def unpacked(self, cookie: str) -> Way:
        """A way from its cookie.

        Raises:
            BadRequest: it is none, or took too long.
        """
        try:
            return Way(**self._signer.loads(cookie, max_age=WAY_S))
        except (BadSignature, TypeError):
            raise BadRequest(message("openid.lost_way")) from None

    def address(self, way: Way, back: str) -> str:
        """Where a browser is sent to.

        Raises:
            Unavailable: the provider does not answer.
        """
        endpoint = self._metadata()["authorization_endpoint"]
        with self._client(back) as client:
            address, _ = client.create_authorization_url(
                endpoint,
                state=way.state,
                nonce=way.nonce,
                code_challenge=create_s256_code_challenge(way.verifier),
                code_challenge_method="S256",
            )
        return str(address)

    def claimed(self, way: Way, answer: Mapping[str, str], back: str) -> Claimed:
        """Who has come back, by the provider's word.

        Raises:
            BadRequest: the answer belongs to another way, or its word does not hold.
            Unavailable: the provider does not answer.
        """
        if not secrets.compare_digest(answer.get("state", "").encode(), way.state.encode()):
            raise BadRequest(message("openid.lost_way"))
        if answer.get("iss", self.issuer) != self.issuer:  # RFC 9207: of another provider
            raise BadRequest(message("openid.lost_way"))
        if "error" in answer or "code" not in answer:
            detail = answer.get("error_description") or answer.get("error") or "no code"
            raise BadRequest(message("openid.refused", detail=detail[:200]))
        claims = self._checked(self._token(way, answer["code"], back), way)
        wanted = claims.get("preferred_username") or claims.get("name") or ""
        return Claimed(self.issuer, str(claims["sub"]), str(wanted))

    def _token(self, way: Way, code: str, back: str) -> str:
        endpoint = self._metadata()["token_endpoint"]
        try:
            with self._client(back) as client:
                token = client.fetch_token(endpoint, code=code, code_verifier=way.verifier)
            return str(token["id_token"])
        except (AuthlibBaseError, KeyError) as error:
            raise BadRequest(message("openid.refused", detail=str(error)[:200])) from error
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from error

    def _checked(self, word: str, way: Way) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._settings.openid_client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": way.nonce},
        )
        try:
            token = self._decoded(word)
            registry.validate(token.claims)
        except (JoseError, ValueError) as error:
            log.warning("openid_word_refused", error=str(error))
            raise BadRequest(message("openid.refused", detail=str(error)[:200])) from error
        return dict(token.claims)

    def _decoded(self, word: str) -> jwt.Token:
        """The word, by the provider's keys; they are asked for again once, where they changed."""
        try:
            return jwt.decode(word, self._keys(), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            self._forget("keys")
            return jwt.decode(word, self._keys(), algorithms=ALGORITHMS)

    def _keys(self) -> KeySet:
        address = self._metadata()["jwks_uri"]
        return KeySet.import_key_set(self._asked("keys", address))

    def _metadata(self) -> dict[str, Any]:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found: dict[str, Any] = self._asked("metadata", address)
        if found.get("issuer") != self.issuer:
            raise self._away(ValueError(f"it calls itself {found.get('issuer')}"))
        return found

    def _asked(self, name: str, address: str) -> Any:
        with self._lock:
            asked_at, known = self._known.get(name, (0.0, None))
            if known is not None and time.monotonic() - asked_at < KNOWN_S:
                return known
            try:
                answer = httpx.get(address, timeout=TIMEOUT_S, trust_env=False)
                known = answer.raise_for_status().json()
            except (httpx.HTTPError, ValueError) as error:
                raise self._away(error) from error
            self._known[name] = time.monotonic(), known
            return known

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _client(self, back: str) -> OAuth2Client:
        secret = self._settings.openid_client_secret
        return OAuth2Client(
            client_id=self._settings.openid_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope="openid profile",
            redirect_uri=back,
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def _away(self, error: Exception) -> Unavailable:
        host = urlsplit(self.issuer).hostname or self.issuer
        return Unavailable(message("openid.away", host=host, detail=str(error)[:200]))
