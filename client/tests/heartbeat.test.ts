// The heartbeat: when it beats, what it says, and what it makes of an answer, a refusal and silence.
import { beforeEach, describe, expect, it } from "vitest";
import type { Seen } from "../src/core/api.js";
import { LikesError, unreachable } from "../src/core/errors.js";
import { createHeartbeat, type Heartbeat, type HeartbeatDeps } from "../src/core/heartbeat.js";
import type { SyncAnswer } from "../src/core/wire.js";
import type { ConnectionState } from "../src/index.js";
import { deferred, FakeClock, settled } from "./fakes/clock.js";
import { uuid } from "./fakes/server.js";

const seen: Seen = { content: { type: "post", id: uuid(1) }, version: 3, viewers: 1, liked: false };
let clock: FakeClock;
let heartbeat: Heartbeat;
let screen: Seen[];
let beats: { at: number; seen: readonly Seen[]; connection: ConnectionState }[];
let applied: number;
let ended: boolean[];
let connection: ConnectionState;
let respond: () => Promise<SyncAnswer>;

beforeEach(() => {
  clock = new FakeClock(0);
  screen = [seen];
  beats = [];
  ended = [];
  applied = 0;
  connection = "live";
  respond = async () => ({ items: [], heartbeat_ms: 12_000 });
  const deps: HeartbeatDeps = {
    api: {
      syncViewing(_viewer, items, state) {
        beats.push({ at: clock.now(), seen: items, connection: state });
        return respond();
      },
    },
    clock,
    random: () => 0.5,
    viewerId: uuid(9),
    seen: () => screen,
    connection: () => connection,
    apply: () => void applied++,
    ended: (answers) => void ended.push(answers),
  };
  heartbeat = createHeartbeat(deps);
});

const times = () => beats.map(({ at }) => at);

describe("the heartbeat (A16)", () => {
  it("beats when it wakes and then every twelve seconds", async () => {
    heartbeat.setAwake(true);
    heartbeat.setAwake(true);
    await clock.advance(40_000);
    expect(times()).toEqual([60, 12_060, 24_060, 36_060]);
    expect(beats[0]).toMatchObject({ seen: [seen], connection: "live" });
    expect(applied).toBe(4);
  });

  it("keeps the pace that the server asks for", async () => {
    respond = async () => ({ items: [], heartbeat_ms: 30_000 });
    heartbeat.setAwake(true);
    await clock.advance(40_000);
    expect(times()).toEqual([60, 30_060]);
  });

  it("gathers what changes on the screen, and beats once a second at most", async () => {
    heartbeat.setAwake(true);
    for (let change = 0; change < 50; change++) {
      await clock.advance(50);
      heartbeat.soon();
    }
    expect(times()).toEqual([60, 1060, 2060]);
  });

  it("says goodbye when put to sleep, and is then silent (A15)", async () => {
    heartbeat.setAwake(true);
    await clock.advance(100);
    heartbeat.setAwake(false);
    heartbeat.soon();
    await clock.advance(60_000);
    expect(beats.map(({ seen }) => seen.length)).toEqual([1, 0]);
    expect(clock.pending).toBe(0);
  });

  it("does not mind a goodbye that fails", async () => {
    heartbeat.setAwake(true);
    respond = () => Promise.reject(unreachable("gone"));
    heartbeat.setAwake(false);
    await settled();
    expect(ended).toEqual([]);
  });

  it("rests while nothing is on the screen", async () => {
    screen = [];
    heartbeat.setAwake(true);
    await clock.advance(60_000);
    expect(times()).toEqual([60]);
  });

  it("asks more often, screen or not, while nothing answers (B3)", async () => {
    screen = [];
    connection = "offline";
    respond = () => Promise.reject(unreachable("no network"));
    heartbeat.setAwake(true);
    await clock.advance(9000);
    expect(times()).toEqual([60, 4060, 8060]);
    expect(ended).toEqual([false, false, false]);
  });

  it("takes a refusal for a sign of life", async () => {
    respond = () => Promise.reject(new LikesError("invalid_request", "?"));
    expect(await heartbeat.beat()).toBe(true);
    respond = () => Promise.reject(unreachable("no network"));
    expect(await heartbeat.beat()).toBe(false);
    expect(applied).toBe(0);
  });

  it("names a hundred contents at most", async () => {
    screen = Array.from({ length: 130 }, () => seen);
    await heartbeat.beat();
    expect(beats[0]?.seen).toHaveLength(100);
  });

  it("is under way once, and beats again for what came meanwhile", async () => {
    const held = deferred<SyncAnswer>();
    respond = () => held.promise;
    heartbeat.setAwake(true);
    await clock.advance(60);
    const both = [heartbeat.beat(), heartbeat.beat()];
    expect(beats).toHaveLength(1);
    held.resolve({ items: [], heartbeat_ms: 12_000 });
    expect(await Promise.all(both)).toEqual([true, true]);
    await clock.advance(1000);
    expect(beats).toHaveLength(2);
  });

  it("does not apply an answer that was asked for by somebody else", async () => {
    const beat = heartbeat.beat();
    heartbeat.reset();
    await beat;
    expect(applied).toBe(0);
  });
});
