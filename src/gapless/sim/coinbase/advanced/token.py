"""Tokens of Advanced Trade: a JSON Web Token a message, good for two minutes."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

ISSUER = "cdp"
ALGORITHMS = ["ES256", "EdDSA"]
LEEWAY_S = 5.0
LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Checks tokens: that they are of a key, and, where the public key (PEM) is given, that it has signed them."""

    key_name: str
    public_key: str | None = None
    life_s: float = LONGEST_S  # after which a token counts as expired, whatever it says itself

    def until(self, token: object, now: float) -> float | None:
        """Returns the wall second until which a token is good, or None where it is not; `now` is wall time."""
        if not isinstance(token, str):
            return None
        try:
            if jwt.get_unverified_header(token).get("kid") != self.key_name:
                return None
            claims = jwt.decode(
                token,
                self.public_key or "",
                algorithms=ALGORITHMS,
                options={
                    "verify_signature": self.public_key is not None,
                    "verify_exp": False,  # by the caller's clock, below
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError):
            return None
        begin, end = claims.get("nbf"), claims.get("exp")
        if not isinstance(begin, int | float) or not isinstance(end, int | float):
            return None
        if claims.get("iss") != ISSUER or claims.get("sub") != self.key_name:
            return None
        good = begin <= now + LEEWAY_S and now < end and end - begin <= LONGEST_S + LEEWAY_S
        return min(float(end), now + self.life_s) if good else None
