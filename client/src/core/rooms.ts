// Decides which content rooms to be in: what has been on the screen for half a second, 99 at most, joined one after another so that a
// page full of contents does not eat the plan's joins per second. Leaving is immediate.
import { type Clock, createTimer } from "./clock.js";
import type { ContentKey } from "./types.js";

export interface Rooms {
  show(key: ContentKey): void;
  hide(key: ContentKey): void;
  /** Closed rooms are all left, and joined again when opened. */
  setOpen(open: boolean): void;
}

/** Who scrolls past does not visit. */
const SETTLE_MS = 500;
/** Supabase allows 100 channels per connection; the user's own takes one. */
const MAX_ROOMS = 99;

export interface RoomDoors {
  join(key: ContentKey): void;
  leave(key: ContentKey): void;
}

export function createRooms(clock: Clock, doors: RoomDoors, joinsPerSecond: number): Rooms {
  /** Since when each content is on the screen; in that order, since maps keep it. */
  const onScreen = new Map<ContentKey, number>();
  const joined = new Set<ContentKey>();
  const timer = createTimer(clock);
  let open = false;
  let lastJoin = Number.NEGATIVE_INFINITY;

  /** Joins the next room that is due, or sets the timer for when one will be. */
  function advance(): void {
    timer.clear();
    if (!open || joined.size >= MAX_ROOMS) return;
    const candidate = [...onScreen].find(([key]) => !joined.has(key));
    if (!candidate) return;
    const [key, since] = candidate;
    const due = Math.max(since + SETTLE_MS, lastJoin + 1000 / joinsPerSecond);
    if (due > clock.now()) return timer.set(due - clock.now(), advance);
    lastJoin = clock.now();
    joined.add(key);
    doors.join(key);
    advance();
  }

  function leave(key: ContentKey): void {
    if (joined.delete(key)) doors.leave(key);
  }

  return {
    show(key) {
      onScreen.set(key, clock.now());
      advance();
    },
    hide(key) {
      onScreen.delete(key);
      leave(key);
      advance();
    },
    setOpen(next) {
      if (next === open) return;
      open = next;
      if (!open) for (const key of [...joined]) leave(key);
      else for (const key of onScreen.keys()) onScreen.set(key, clock.now());
      advance();
    },
  };
}
