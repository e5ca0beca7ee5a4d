// Time and timers come in through this door, so that tests turn the clock by hand.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `task` after `ms` and returns what cancels it. */
  after(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

export interface Timer {
  /** Runs the task after `ms`, in place of what was set before. */
  set(ms: number, task: () => void): void;
  clear(): void;
  readonly armed: boolean;
}

export function createTimer(clock: Clock): Timer {
  let cancel: (() => void) | null = null;
  const timer = {
    set(ms: number, task: () => void) {
      cancel?.();
      cancel = clock.after(Math.max(0, ms), () => {
        cancel = null;
        task();
      });
    },
    clear() {
      cancel?.();
      cancel = null;
    },
    get armed() {
      return cancel !== null;
    },
  };
  return timer;
}
