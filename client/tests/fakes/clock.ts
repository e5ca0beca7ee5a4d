// A clock that stands still until a test turns it.
import type { Clock } from "../../src/index.js";

export class FakeClock implements Clock {
  private time: number;
  private tasks: { at: number; run: () => void }[] = [];

  constructor(start = 1_800_000_000_000) {
    this.time = start;
  }

  now = (): number => this.time;

  after = (ms: number, run: () => void): (() => void) => {
    const task = { at: this.time + ms, run };
    this.tasks.push(task);
    return () => {
      this.tasks = this.tasks.filter((other) => other !== task);
    };
  };

  /** Runs what falls due on the way, each with everything that follows from it without waiting. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    for (let task = this.nextUntil(end); task; task = this.nextUntil(end)) {
      this.time = Math.max(this.time, task.at);
      this.tasks = this.tasks.filter((other) => other !== task);
      task.run();
      await settled();
    }
    this.time = end;
  }

  get pending(): number {
    return this.tasks.length;
  }

  private nextUntil(end: number) {
    return this.tasks.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}

/** Every promise that can settle by itself has. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A promise and what fulfils it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
