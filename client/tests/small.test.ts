// The small parts that everything else stands on: stores, timers, intents, numbers, the browser's offers.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTimer, systemClock } from "../src/core/clock.js";
import { asLikesError } from "../src/core/errors.js";
import { createIntents } from "../src/core/intents.js";
import { createEmitter, createStore } from "../src/core/store.js";
import { compactNumber, fullNumber, timeAgo } from "../src/elements/numbers.js";
import { browserEnvironment, keyOf, LikesError, refOf } from "../src/index.js";
import { FakeClock } from "./fakes/clock.js";
import { uuid } from "./fakes/server.js";

describe("a store", () => {
  it("tells of changes only", () => {
    const store = createStore(1);
    const told: number[] = [];
    store.subscribe((value) => told.push(value));
    store.set(1);
    store.set(2);
    expect([store.get(), told]).toEqual([2, [2]]);
  });

  it("takes the same listener twice, and lets it leave once", () => {
    const emitter = createEmitter<number>();
    let calls = 0;
    const listener = () => {
      calls += 1;
    };
    const stop = emitter.subscribe(listener);
    emitter.subscribe(listener);
    stop();
    stop();
    emitter.emit(1);
    expect(calls).toBe(1);
  });

  it("tells everybody even if one leaves while being told", () => {
    const emitter = createEmitter<number>();
    const told: string[] = [];
    const stop = emitter.subscribe(() => {
      told.push("first");
      stop();
    });
    emitter.subscribe(() => told.push("second"));
    emitter.emit(1);
    emitter.emit(2);
    expect(told).toEqual(["first", "second", "second"]);
  });
});

describe("a timer", () => {
  it("runs what was set last, once", async () => {
    const clock = new FakeClock();
    const timer = createTimer(clock);
    const ran: string[] = [];
    timer.set(10, () => ran.push("first"));
    timer.set(20, () => ran.push("second"));
    expect(timer.armed).toBe(true);
    await clock.advance(50);
    expect([ran, timer.armed]).toEqual([["second"], false]);
  });

  it("of the system runs, or not when cancelled", async () => {
    const ran: string[] = [];
    systemClock.after(1, () => ran.push("cancelled"))();
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    expect(ran).toEqual([]);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });
});

describe("intents (A11)", () => {
  it("grow with every tap and beyond what the server holds, whatever the clock does", () => {
    const move = fc.record({
      clock: fc.integer({ min: -5000, max: 5000 }),
      ahead: fc.integer({ min: -5000, max: 5000 }),
    });
    fc.assert(
      fc.property(fc.array(move), (moves) => {
        let now = 1_800_000_000_000;
        const intents = createIntents({ now: () => now, after: systemClock.after });
        let last = 0;
        for (const { clock, ahead } of moves) {
          now += clock;
          const stored = now + ahead;
          const intent = intents.next(stored);
          expect(intent).toBeGreaterThan(Math.max(last, stored));
          last = intent;
        }
      }),
    );
  });
});

describe("errors", () => {
  it("of anything else count as silence", () => {
    const known = new LikesError("blocked", "no");
    expect(asLikesError(known)).toBe(known);
    const unknown = asLikesError(new TypeError("fetch failed"));
    expect([unknown.code, unknown.cause]).toEqual(["unreachable", new TypeError("fetch failed")]);
  });
});

describe("numbers and times", () => {
  it("are compact, and in the reader's language", () => {
    expect([0, 999, 1234, 15_820, 2_400_000].map((n) => compactNumber(n, "en"))).toEqual([
      "0",
      "999",
      "1.2K",
      "15.8K",
      "2.4M",
    ]);
    expect(compactNumber(1234, "de")).toBe("1234");
    expect(fullNumber(1_234_567, "de")).toBe("1.234.567");
  });

  it("tell how long ago", () => {
    const now = 1_800_000_000_000;
    const ago = (ms: number) => timeAgo(now - ms, now, "en");
    expect([5_000, 65_000, 3_700_000, 90_000_000].map(ago)).toEqual(["now", "1 min. ago", "1 hr. ago", "yesterday"]);
    // A server's clock may be a little ahead of ours.
    expect(ago(-3000)).toBe("now");
  });
});

describe("outside a browser", () => {
  it("there is always a network and somebody who looks, and never another tab", () => {
    const environment = browserEnvironment();
    expect([environment.online(), environment.visible(), environment.tabs.BroadcastChannel]).toEqual([
      true,
      true,
      null,
    ]);
    environment.onChange(() => undefined)();
    environment.storage.setItem("a", "1");
    expect(environment.storage.getItem("a")).toBe("1");
    expect(environment.id()).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("in a browser", () => {
  /** What a browser offers, as far as this package asks. */
  function scope(part: object = {}) {
    const window = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const navigator = { onLine: true, locks: { request: () => undefined } };
    const { crypto, BroadcastChannel } = globalThis;
    return Object.assign(
      window,
      { document, navigator, crypto, BroadcastChannel, localStorage: null },
      part,
    ) as unknown as typeof globalThis & EventTarget;
  }

  it("its events are heard until nobody listens any more", () => {
    const browser = scope();
    const told: string[] = [];
    const stop = browserEnvironment(browser).onChange((change) => told.push(change));
    for (const type of ["online", "offline", "pagehide"]) browser.dispatchEvent(new Event(type));
    browser.document.dispatchEvent(new Event("visibilitychange"));
    expect(told).toEqual(["network", "network", "leaving", "visibility"]);
    stop();
    browser.dispatchEvent(new Event("online"));
    expect(told).toHaveLength(4);
  });

  it("its state is read", () => {
    const hidden = Object.assign(new EventTarget(), { visibilityState: "hidden" });
    const environment = browserEnvironment(scope({ document: hidden, navigator: { onLine: false } }));
    expect([environment.online(), environment.visible(), environment.tabs.locks]).toEqual([false, false, null]);
  });

  it("that forbids storage, memory stands in", () => {
    const browser = scope();
    Object.defineProperty(browser, "localStorage", {
      get() {
        throw new DOMException("denied", "SecurityError");
      },
    });
    const { storage } = browserEnvironment(browser);
    storage.setItem("a", "1");
    expect(storage.getItem("a")).toBe("1");
  });

  it("on an insecure origin, ids are still random UUIDs of version 4", () => {
    const insecure = { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) };
    const { id } = browserEnvironment(scope({ crypto: insecure }));
    expect(id()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(id()).not.toBe(id());
  });
});

it("a content's key reads back", () => {
  const ref = { type: "video", id: uuid(3) } as const;
  expect(refOf(keyOf(ref))).toEqual(ref);
});
