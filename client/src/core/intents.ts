// Gives each tap its intent: a number that grows with every tap, so that the server can tell a newer wish from a late retry (A11).
import type { Clock } from "./clock.js";

export interface Intents {
  /** Larger than every intent given before and than `stored`, the one that the server holds. */
  next(stored: number): number;
  /** Tells the server's time, learnt from an intent that it gave itself: this device's clock may be wrong. */
  calibrate(serverNow: number): void;
}

export function createIntents(clock: Clock): Intents {
  let last = 0;
  let offset = 0;
  return {
    next(stored) {
      last = Math.max(Math.trunc(clock.now() + offset), last + 1, stored + 1);
      return last;
    },
    calibrate(serverNow) {
      offset = serverNow - clock.now();
      // What was given under the wrong clock no longer binds: the server refused it.
      last = Math.min(last, serverNow);
    },
  };
}
