// The heartbeat: one call for the whole screen, at once when the screen has changed and then every 12 seconds or as the server says. It
// counts this viewer, heals what events missed, and is the only source of news when Realtime is away.
import type { LikesApi, Seen } from "./api.js";
import { type Clock, createTimer } from "./clock.js";
import { asLikesError } from "./errors.js";
import type { ConnectionState } from "./types.js";
import type { SyncAnswer } from "./wire.js";

export interface HeartbeatDeps {
  readonly api: Pick<LikesApi, "syncViewing">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly viewerId: string;
  seen(): Seen[];
  connection(): ConnectionState;
  apply(answer: SyncAnswer): void;
  /** After each beat: whether anything answered. */
  ended(serverAnswers: boolean): void;
}

export interface Heartbeat {
  /** The screen has changed, or something may have been missed: beats shortly, several reasons in one. */
  soon(): void;
  /** Beats now; tells whether anything answered. */
  beat(): Promise<boolean>;
  /** Awake it beats; put to sleep it says goodbye, so that this viewer is no longer counted. */
  setAwake(awake: boolean): void;
  /** Forgets the beat under way: its answer belongs to another person. */
  reset(): void;
}

const DEFAULT_MS = 12_000;
/** With nothing answering, somebody waits for the first sign of life. */
const OFFLINE_MS = 4000;
/** Time for a whole screen of contents to appear, so that the first beat names all. */
const GATHER_MS = 60;
/** Between beats that a changing screen asks for: scrolling must not turn into a call per card. */
const GAP_MS = 1000;
/** The server takes 100 contents a call. */
const MAX_SEEN = 100;

export function createHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const { clock } = deps;
  const pulse = createTimer(clock);
  const gather = createTimer(clock);
  let intervalMs = DEFAULT_MS;
  let awake = false;
  let epoch = 0;
  let underway: Promise<boolean> | null = null;
  let again = false;
  let lastBeat = Number.NEGATIVE_INFINITY;

  function plan(): void {
    // A tenth up or down, or all who opened a page after an outage would beat together for ever.
    const wait = deps.connection() === "offline" ? Math.min(intervalMs, OFFLINE_MS) : intervalMs;
    if (awake) pulse.set(wait * (0.9 + 0.2 * deps.random()), onPulse);
  }

  function onPulse(): void {
    // With nothing on the screen there is nothing to ask, except whether the server is back.
    if (deps.seen().length > 0 || deps.connection() === "offline") void beat();
    else plan();
  }

  function beat(): Promise<boolean> {
    if (underway) {
      again = true;
      return underway;
    }
    gather.clear();
    lastBeat = clock.now();
    underway = ask().finally(() => {
      underway = null;
      plan();
      if (again) soon();
      again = false;
    });
    return underway;
  }

  async function ask(): Promise<boolean> {
    const askedIn = epoch;
    const answers = await sync(deps.seen().slice(0, MAX_SEEN), askedIn);
    deps.ended(answers);
    return answers;
  }

  async function sync(seen: Seen[], askedIn: number): Promise<boolean> {
    try {
      const answer = await deps.api.syncViewing(deps.viewerId, seen, deps.connection());
      if (askedIn === epoch) deps.apply(answer);
      intervalMs = Math.max(1000, answer.heartbeat_ms);
      return true;
    } catch (cause) {
      // A refusal is an answer too: the server is there.
      return asLikesError(cause).code !== "unreachable";
    }
  }

  function soon(): void {
    const wait = Math.max(GATHER_MS, lastBeat + GAP_MS - clock.now());
    if (awake && !gather.armed) gather.set(wait, () => void beat());
  }

  return {
    soon,
    beat,
    setAwake(next) {
      if (next === awake) return;
      awake = next;
      pulse.clear();
      gather.clear();
      if (awake) soon();
      else void deps.api.syncViewing(deps.viewerId, [], deps.connection()).catch(() => undefined);
    },
    reset() {
      epoch += 1;
    },
  };
}
