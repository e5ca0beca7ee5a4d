"""The limits and habits of a project. The defaults suit development: sizes as hosted, rates off, no back-off."""

from dataclasses import dataclass, replace
from typing import Final

KILOBYTE: Final = 1000
OFF: Final = 1_000_000  # per second: a rate that nothing here reaches


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server allows; times are in seconds."""

    max_users: int = OFF  # sockets with a channel
    max_channels: int = 100  # per socket
    joins_per_second: int = OFF
    events_per_second: int = OFF
    presence_events_per_second: int = OFF
    presence_pushes: int = 5  # per channel and window
    presence_window: float = 30
    payload_kilobytes: int = 3000
    private_only: bool = False
    presence_enabled: bool = False
    connect_backoff: float = 0
    channel_backoff: float = 0
    idle_timeout: float = 60
    replication_wait: float = 60
    token_recheck: float = 300

    @property
    def payload_limit(self) -> int:
        """In bytes of the external term format; the real server adds the same 500 for the envelope."""
        return self.payload_kilobytes * KILOBYTE + 500


HOSTED: Final = Settings(connect_backoff=2, channel_backoff=5)

# https://supabase.com/docs/guides/realtime/limits
PLANS: Final = {
    "off": Settings(),
    "free": replace(
        HOSTED,
        max_users=200,
        joins_per_second=100,
        events_per_second=100,
        presence_events_per_second=20,
        payload_kilobytes=256,
    ),
    "pro": replace(HOSTED, max_users=500, joins_per_second=500, events_per_second=500, presence_events_per_second=50),
    "team": replace(
        HOSTED, max_users=10_000, joins_per_second=2500, events_per_second=2500, presence_events_per_second=1000
    ),
}
