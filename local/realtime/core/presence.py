"""Who is present in a room: each channel may track one meta under its key; what changes is told as a diff."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from local.realtime.core.text import Json

Listing = dict[str, Json]  # {key: {"metas": [meta, …]}}


@dataclass(frozen=True, slots=True)
class Entry:
    """What one channel tracks."""

    key: str
    payload: dict[str, Json]  # as the client sent it
    meta: dict[str, Json]  # with phx_ref, as others see it


@dataclass(frozen=True, slots=True)
class Diff:
    """What a change takes from the room and brings to it."""

    joins: Listing
    leaves: Listing

    @property
    def payload(self) -> Json:
        return {"joins": self.joins, "leaves": self.leaves}


class PresenceRoom:
    """The entries of one room."""

    def __init__(self, new_ref: Callable[[], str]) -> None:
        self._new_ref = new_ref
        self._entries: dict[Hashable, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def track(self, channel: Hashable, key: str, payload: dict[str, Json]) -> Diff | None:
        """Sets what the channel tracks; None if that changes nothing.

        Clients find what to remove by its phx_ref, so an update's leaves hold the complete old meta.
        """
        old = self._entries.get(channel)
        if old and old.payload == payload:
            return None
        previous = {"phx_ref_prev": old.meta["phx_ref"]} if old else {}
        entry = Entry(key, payload, {**payload, **previous, "phx_ref": self._new_ref()})
        self._entries[channel] = entry
        return Diff(_listing([entry]), _listing([old] if old else []))

    def untrack(self, channel: Hashable) -> Diff | None:
        """Forgets what the channel tracks; None if that was nothing."""
        old = self._entries.pop(channel, None)
        return Diff({}, _listing([old])) if old else None

    def state(self) -> Listing:
        """Everyone, by key."""
        return _listing(self._entries.values())


def _listing(entries: Iterable[Entry]) -> Listing:
    listing: Listing = {}
    for entry in entries:
        listing.setdefault(entry.key, {"metas": []})["metas"].append(entry.meta)
    return listing
