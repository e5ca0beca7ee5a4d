// What becomes of a person's taps on one content: the first goes at once, rapid ones wait for quiet and the last wish wins, one request is
// under way at a time, and every outcome ends in a confirmed state, a later attempt, or a rollback with its reason (A9, A11, B2).
import type { LikeCommand } from "./api.js";
import { type Clock, createTimer } from "./clock.js";
import { asLikesError, type LikesError } from "./errors.js";
import type { Intents } from "./intents.js";
import { freeze, type LikeModel, mergeCount, mergeOwn, thaw, type Wish, withWish } from "./like-model.js";
import type { ContentRef, ContentState, Failure } from "./types.js";
import type { LikeAnswer } from "./wire.js";

/** Taps closer together than this are one change of mind. */
export const DEBOUNCE_MS = 1000;
/** What is worth one more try, and after how long: at once would meet the same hiccup, much later a person would wonder. */
const RETRY_MS = new Map([
  ["token_expired", 0],
  ["unreachable", 400],
  ["database_unavailable", 400],
]);
/** When the server does not say how long to wait. */
const RATE_LIMIT_MS = 5000;
/** A wish younger than this outranks what another device did by a faster clock; an older one is yesterday's news. */
const FRESH_MS = 10_000;
const MAX_ATTEMPTS = 3;

/** The part of a content's state that taps change. */
export interface Cell {
  readonly model: LikeModel;
  update(change: Partial<{ model: LikeModel; waitingFor: ContentState["waitingFor"]; failure: Failure | null }>): void;
}

export interface TapDeps {
  readonly clock: Clock;
  readonly intents: Intents;
  signedIn(): boolean;
  offline(): boolean;
  /** Asks the server for a sign of life, and tells whether it came. */
  probe(): Promise<boolean>;
  renewToken(): Promise<void>;
  send(command: LikeCommand): Promise<LikeAnswer>;
  /** Asks what the server holds now: a request ended and nobody knows how. */
  refresh(content: ContentRef): void;
  settled(content: ContentRef, wish: Wish, answer: LikeAnswer): void;
  /** Keeps the wish until the network is back. */
  park(content: ContentRef, wish: Wish): void;
  /** The wish is over without the server having heard it; without a failure the person took it back. */
  dropped(content: ContentRef, wish: Wish, failure: Failure | null): void;
}

export interface Taps {
  tap(liked: boolean): void;
  /** Sends a wish that waited, without debounce; ends when the attempt has. */
  resume(wish: Wish): Promise<void>;
  /** The page is about to go: what waits for quiet goes now. */
  flush(): void;
  reset(): void;
}

export function createTaps(content: ContentRef, cell: Cell, deps: TapDeps): Taps {
  const { clock, intents } = deps;
  const timer = createTimer(clock);
  let quietUntil = 0;
  let holdUntil = 0;
  let attempts = 0;
  let sending = false;
  /** Set after the server refused our clock: it shall use its own. */
  let serverClock = false;
  /** Answers that belong to an earlier sign-in are not ours. */
  let epoch = 0;

  function tap(liked: boolean): void {
    if (!deps.signedIn()) return cell.update({ failure: { code: "sign_in_required", message: "Sign in to like." } });
    const now = clock.now();
    const due = Math.max(holdUntil, now >= quietUntil ? now : now + DEBOUNCE_MS);
    quietUntil = now + DEBOUNCE_MS;
    attempts = 0;
    const wish = { liked, intent: intents.next(cell.model.own.intent), at: now };
    cell.update({ model: withWish(cell.model, wish), failure: null });
    pursue(due);
  }

  /** Goes on with the wish there is, or forgets it where the server already agrees. */
  function pursue(due: number): void {
    const { wish, own, frozen } = cell.model;
    if (sending || !wish) return;
    if (wish.liked === own.liked && !frozen) return abandon(wish);
    if (deps.offline()) return park(wish);
    if (due <= clock.now()) void send();
    else timer.set(due - clock.now(), () => void send());
  }

  function abandon(wish: Wish): void {
    timer.clear();
    cell.update({ model: withWish(cell.model, null), waitingFor: null });
    deps.dropped(content, wish, null);
  }

  function park(wish: Wish): void {
    timer.clear();
    cell.update({ waitingFor: "network" });
    deps.park(content, wish);
  }

  async function send(): Promise<void> {
    const { wish } = cell.model;
    if (sending || !wish) return;
    timer.clear();
    sending = true;
    cell.update({ model: freeze(cell.model), waitingFor: null });
    const sentIn = epoch;
    const outcome = await attempt(wish);
    if (sentIn !== epoch) return;
    sending = false;
    outcome();
  }

  /** One request; answers what is to be done about its outcome. */
  async function attempt(wish: Wish): Promise<() => void> {
    try {
      const answer = await deps.send({ content, liked: wish.liked, intent: serverClock ? null : wish.intent });
      return () => confirmed(wish, answer);
    } catch (cause) {
      const error = asLikesError(cause);
      if (error.code === "token_expired") await deps.renewToken().catch(() => undefined);
      const reachable = error.code !== "unreachable" || (await deps.probe());
      return () => failed(wish, error, reachable);
    }
  }

  function confirmed(wish: Wish, answer: LikeAnswer): void {
    if (serverClock) intents.calibrate(answer.intent);
    serverClock = false;
    const merged = mergeCount(mergeOwn(cell.model, answer.liked, answer.intent), answer.total_likes, answer.version);
    cell.update({ model: thaw(merged), failure: null });
    deps.settled(content, wish, answer);
    if (cell.model.wish?.intent !== wish.intent) return pursue(quietUntil);
    const overruled = answer.liked !== wish.liked && clock.now() - wish.at < FRESH_MS && ++attempts < MAX_ATTEMPTS;
    const again = overruled ? { ...wish, intent: intents.next(answer.intent) } : null;
    cell.update({ model: withWish(cell.model, again) });
    pursue(clock.now());
  }

  function failed(wish: Wish, error: LikesError, reachable: boolean): void {
    const { wish: current } = cell.model;
    if (!reachable && current) return park(current);
    if (error.code === "intent_in_future" && !serverClock) {
      serverClock = true;
      return pursue(clock.now());
    }
    const wait = waitBeforeRetry(error);
    if (wait === null) return rollBack(wish, error);
    if (error.code === "rate_limited") limit(wait);
    pursue(clock.now() + wait);
  }

  /** Milliseconds until the same wish may be sent again; null: never. */
  function waitBeforeRetry({ code, retryAfterMs }: LikesError): number | null {
    if (code === "rate_limited") return retryAfterMs ?? RATE_LIMIT_MS;
    const wait = RETRY_MS.get(code);
    if (wait === undefined || ++attempts > 1) return null;
    return Math.min(retryAfterMs ?? wait, RATE_LIMIT_MS);
  }

  function limit(wait: number): void {
    holdUntil = clock.now() + wait;
    // Refused before anything was written: the count and own state are as they were.
    cell.update({ model: thaw(cell.model), waitingFor: "rate_limit" });
  }

  function rollBack(wish: Wish, error: LikesError): void {
    serverClock = false;
    cell.update({ model: thaw(cell.model) });
    if (error.fateUnknown) deps.refresh(content);
    if (cell.model.wish?.intent !== wish.intent) return pursue(quietUntil);
    const failure = { code: error.code, message: error.message };
    cell.update({ model: withWish(cell.model, null), waitingFor: null, failure });
    deps.dropped(content, wish, failure);
  }

  async function resume(wish: Wish): Promise<void> {
    const { wish: current, own } = cell.model;
    const latest = current && current.intent >= wish.intent ? current : wish;
    if (latest.intent <= own.intent) return abandon(latest);
    cell.update({ model: withWish(cell.model, latest) });
    await send();
  }

  return {
    tap,
    resume,
    flush() {
      if (timer.armed && clock.now() >= holdUntil) void send();
    },
    reset() {
      timer.clear();
      epoch += 1;
      sending = false;
      quietUntil = holdUntil = attempts = 0;
    },
  };
}
