// The connection state machine: which facts make which state, and when a change is told.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Connection,
  createConnection,
  type Facts,
  GRACE_MS,
  initialFacts,
  next,
  type Signal,
  stateOf,
} from "../src/core/connection.js";
import { FakeClock } from "./fakes/clock.js";

const joined = (topic: string): Signal => ({ type: "channel", topic, status: "joined" });
const failed = (topic: string): Signal => ({ type: "channel", topic, status: "failed" });
const left = (topic: string): Signal => ({ type: "channel", topic, status: "left" });

function start(): { clock: FakeClock; connection: Connection; told: string[] } {
  const clock = new FakeClock();
  const connection = createConnection(clock);
  const told: string[] = [];
  connection.subscribe((state) => told.push(state));
  return { clock, connection, told };
}

describe("the connection (B3)", () => {
  it("polls until a channel is joined, then is live", () => {
    const { connection, told } = start();
    expect(connection.get()).toBe("polling");
    connection.signal(joined("a"));
    connection.signal(joined("b"));
    expect(told).toEqual(["live"]);
  });

  it("calls a quick reconnect no news, a longer one polling", async () => {
    const { clock, connection, told } = start();
    connection.signal(joined("a"));
    connection.signal(failed("a"));
    await clock.advance(GRACE_MS - 1);
    connection.signal(joined("a"));
    await clock.advance(GRACE_MS);
    expect(told).toEqual(["live"]);
    connection.signal(failed("a"));
    await clock.advance(GRACE_MS);
    expect(told).toEqual(["live", "polling"]);
    connection.signal(joined("a"));
    expect(connection.get()).toBe("live");
  });

  it("stays live while one channel works, and counts the grace from the loss of the last", async () => {
    const { clock, connection } = start();
    connection.signal(joined("a"));
    connection.signal(joined("b"));
    connection.signal(failed("a"));
    await clock.advance(GRACE_MS * 3);
    expect(connection.get()).toBe("live");
    connection.signal(failed("b"));
    await clock.advance(GRACE_MS / 2);
    // realtime-js reports the same trouble again at each attempt; that must not prolong the grace.
    connection.signal(failed("b"));
    await clock.advance(GRACE_MS / 2);
    expect(connection.get()).toBe("polling");
  });

  it("stays live after leaving on purpose, and polls when only trouble is left", () => {
    const { connection } = start();
    connection.signal(joined("a"));
    connection.signal(left("a"));
    expect(connection.get()).toBe("live");
    connection.signal(failed("b"));
    expect(connection.get()).toBe("polling");
    connection.signal(left("b"));
    expect(connection.get()).toBe("polling");
  });

  it("is offline when the browser says so or nothing answers, and back at the first sign of life", () => {
    const { connection, told } = start();
    connection.signal(joined("a"));
    connection.signal({ type: "browser", online: false });
    connection.signal({ type: "browser", online: true });
    connection.signal({ type: "server", answers: false });
    connection.signal({ type: "server", answers: true });
    expect(told).toEqual(["live", "offline", "live", "offline", "live"]);
  });

  it("gives a silent server a new chance when the browser is back online", () => {
    const { connection } = start();
    connection.signal({ type: "server", answers: false });
    connection.signal({ type: "browser", online: false });
    connection.signal({ type: "browser", online: true });
    expect(connection.get()).toBe("polling");
  });

  it("polls while realtime is switched off, and starts anew when it is on again", () => {
    const { connection } = start();
    connection.signal(joined("a"));
    connection.signal({ type: "realtime", enabled: false });
    expect([connection.get(), connection.realtimeEnabled]).toEqual(["polling", false]);
    connection.signal({ type: "realtime", enabled: true });
    expect(connection.get()).toBe("polling");
    connection.signal(joined("a"));
    expect(connection.get()).toBe("live");
  });

  it("leaves no timer behind", () => {
    const { clock, connection } = start();
    connection.signal(joined("a"));
    connection.signal(failed("a"));
    connection.close();
    expect(clock.pending).toBe(0);
  });
});

it("is live if any channel is joined and offline if nothing answers, whatever came before", () => {
  const topic = fc.constantFrom("a", "b", "c");
  const signal: fc.Arbitrary<Signal> = fc.oneof(
    fc.record({ type: fc.constant("browser" as const), online: fc.boolean() }),
    fc.record({ type: fc.constant("server" as const), answers: fc.boolean() }),
    fc.record({
      type: fc.constant("channel" as const),
      topic,
      status: fc.constantFrom("joined" as const, "failed" as const, "left" as const),
    }),
  );
  fc.assert(
    fc.property(fc.array(signal), (signals) => {
      const facts = signals.reduce<Facts>((sum, each, time) => next(sum, each, time), initialFacts);
      const channels = new Map(signals.flatMap((each) => (each.type === "channel" ? [[each.topic, each.status]] : [])));
      const anyJoined = [...channels.values()].includes("joined");
      const state = stateOf(facts, 1_000_000);
      if (!facts.browserOnline || !facts.serverAnswers) expect(state).toBe("offline");
      else if (anyJoined) expect(state).toBe("live");
      else if ([...channels.values()].includes("failed")) expect(state).toBe("polling");
    }),
  );
});
