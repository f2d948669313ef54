"""Tokens of Advanced Trade: a JSON Web Token for each message, signed with the key that Coinbase gave."""

import base64
from functools import lru_cache

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gapless.errors import BadInput
from gapless.model import SECOND
from gapless.venues.coinbase.limits import TOKEN_LIFE
from gapless.venues.spec import Key

_ED25519 = 32  # bytes of the seed, which the public key may follow


def sign(key: Key, now: int, nonce: str) -> str:
    """Make a token at a time, ns UTC of this machine, that counts once; `BadInput` where the key cannot sign.

    Source: docs.cdp.coinbase.com, "WebSocket authentication"; ES256 for a key in PEM, EdDSA for one of Ed25519.
    """
    private = _private(key.secret)
    begin = now // SECOND
    claims = {"sub": key.name, "iss": "cdp", "nbf": begin, "exp": begin + TOKEN_LIFE // SECOND}
    algorithm = "ES256" if isinstance(private, EllipticCurvePrivateKey) else "EdDSA"
    return jwt.encode(claims, private, algorithm=algorithm, headers={"kid": key.name, "nonce": nonce})


@lru_cache(4)
def _private(secret: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    """Read a private key as it is pasted: PEM, also with its line ends written as \\n, or Ed25519 in base64."""
    text = secret.replace("\\n", "\n").strip()
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.encode(), None)
        else:
            key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True)[:_ED25519])
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput(_ALLOWED) from None  # what it was tried on is a secret
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise BadInput(_ALLOWED)


_ALLOWED = "this is no private key that signs tokens; allowed are PEM of an ECDSA P-256 key, and an Ed25519 key"
