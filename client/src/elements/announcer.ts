// A polite live region that speaks rarely: own actions at once, the rest at most every few seconds and only the last of it.
import { type Clock, createTimer } from "../core/clock.js";

const QUIET_MS = 5000;

export interface Announcer {
  /** At once. */
  say(text: string): void;
  /** When it has been quiet long enough; a later text replaces this one. */
  mention(text: string): void;
  stop(): void;
}

export function createAnnouncer(region: HTMLElement, clock: Clock): Announcer {
  const timer = createTimer(clock);
  let quietUntil = 0;
  const say = (text: string) => {
    timer.clear();
    quietUntil = clock.now() + QUIET_MS;
    region.textContent = text;
  };
  return {
    say,
    mention: (text) => timer.set(quietUntil - clock.now(), () => say(text)),
    stop: timer.clear,
  };
}
