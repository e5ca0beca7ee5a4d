"""Turns API keys (`sb_publishable_…`, `sb_secret_…`) into the JWTs that the parts know, as Supabase's gateway does."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KeyRing:
    """The JWT that stands for each key."""

    tokens: Mapping[str, str]

    def authorization(self, authorization: str | None, apikey: str | None) -> str | None:
        """The `Authorization` header to send on, or None for none.

        A token of the caller's own wins. The official clients repeat the key there when nobody is signed in; such a
        header says nothing, and the key decides. A key that is no `sb_` key is taken for a JWT, as older projects have.
        """
        if authorization and not authorization.startswith("Bearer sb_"):
            return authorization
        return f"Bearer {self.token(apikey)}" if apikey else authorization

    def token(self, apikey: str) -> str:
        """The JWT of a key; what is no key of ours passes unchanged, for the part behind to refuse."""
        return self.tokens.get(apikey, apikey)
