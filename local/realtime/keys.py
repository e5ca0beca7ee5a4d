"""The API gateway's rule for opaque keys: an `sb_publishable_…` or `sb_secret_…` key stands for the JWT of a role.

The stack's gateway translates already; this serves clients that talk to the server directly.
"""

from dataclasses import dataclass
from typing import Final

import jwt

NEVER: Final = 4_102_444_800  # 2100-01-01


@dataclass(frozen=True, slots=True)
class OpaqueKeys:
    """The project's opaque keys and what they stand for."""

    tokens: dict[str, str]

    def connect_key(self, key: str) -> str:
        """The token for the WebSocket's `apikey`; what is no opaque key of ours passes unchanged."""
        return self.tokens.get(key, key)

    def authorization(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers of a REST request with the token in `authorization`."""
        given = headers.get("authorization")
        if given and not given.startswith("Bearer sb_"):
            return headers
        key = headers.get("apikey", (given or "").removeprefix("Bearer "))
        return {**headers, "authorization": f"Bearer {self.connect_key(key)}"} if key else headers


def opaque_keys(secret: str, publishable_key: str | None, secret_key: str | None) -> OpaqueKeys:
    """The keys that are configured, each with a JWT of its role."""
    roles = {publishable_key: "anon", secret_key: "service_role"}
    return OpaqueKeys({key: _mint(secret, role) for key, role in roles.items() if key})


def _mint(secret: str, role: str) -> str:
    return jwt.encode({"iss": "supabase-demo", "role": role, "exp": NEVER}, secret, algorithm="HS256")
