// The connection as a declared state machine: facts, signals that change them, and the one state that follows. No timer and no socket
// in it; the shell below feeds it and asks again when the grace is over.
import { type Clock, createTimer } from "./clock.js";
import { createStore, type Readable } from "./store.js";
import type { ConnectionState } from "./types.js";

export type Signal =
  | { readonly type: "browser"; readonly online: boolean }
  /** A call ended: with any answer, or with none. */
  | { readonly type: "server"; readonly answers: boolean }
  | { readonly type: "realtime"; readonly enabled: boolean }
  | { readonly type: "channel"; readonly topic: string; readonly status: ChannelStatus };

/** `left`: on purpose. `failed`: refused, timed out, closed by the server, or the socket is gone. */
export type ChannelStatus = "joined" | "failed" | "left";

export interface Facts {
  readonly browserOnline: boolean;
  readonly serverAnswers: boolean;
  readonly realtimeEnabled: boolean;
  readonly joined: ReadonlySet<string>;
  readonly failing: ReadonlySet<string>;
  /** Channels have worked since the last trouble, so having left them all is no sign of a fault. */
  readonly proven: boolean;
  /** When the last working channel failed; null while one works. */
  readonly lostAt: number | null;
}

/** A quick reconnect is no news: for this long a lost connection still counts as live. */
export const GRACE_MS = 2000;

export const initialFacts: Facts = {
  browserOnline: true,
  serverAnswers: true,
  realtimeEnabled: true,
  joined: new Set(),
  failing: new Set(),
  proven: false,
  lostAt: null,
};

export function next(facts: Facts, signal: Signal, now: number): Facts {
  switch (signal.type) {
    case "browser":
      // Back online, the server deserves a new chance before it is called silent.
      return { ...facts, browserOnline: signal.online, serverAnswers: signal.online || facts.serverAnswers };
    case "server":
      return { ...facts, serverAnswers: signal.answers };
    case "realtime":
      return { ...facts, realtimeEnabled: signal.enabled, ...noChannels };
    case "channel":
      return withChannel(facts, signal.topic, signal.status, now);
  }
}

export function stateOf(facts: Facts, now: number): ConnectionState {
  if (!facts.browserOnline || !facts.serverAnswers) return "offline";
  if (!facts.realtimeEnabled) return "polling";
  if (facts.joined.size > 0) return "live";
  if (facts.lostAt !== null) return now - facts.lostAt < GRACE_MS ? "live" : "polling";
  return facts.proven && facts.failing.size === 0 ? "live" : "polling";
}

const noChannels = { joined: new Set<string>(), failing: new Set<string>(), proven: false, lostAt: null };

function withChannel(facts: Facts, topic: string, status: ChannelStatus, now: number): Facts {
  const joined = new Set(facts.joined);
  const failing = new Set(facts.failing);
  joined.delete(topic);
  failing.delete(topic);
  if (status === "joined") joined.add(topic);
  if (status === "failed") failing.add(topic);
  if (joined.size > 0) return { ...facts, joined, failing, proven: true, lostAt: null };
  const lostNow = status === "failed" && facts.joined.size > 0;
  const proven = facts.proven && status !== "failed";
  return { ...facts, joined, failing, proven, lostAt: lostNow ? now : failing.size > 0 ? facts.lostAt : null };
}

export interface Connection extends Readable<ConnectionState> {
  signal(signal: Signal): void;
  readonly realtimeEnabled: boolean;
  close(): void;
}

export function createConnection(clock: Clock): Connection {
  const state = createStore<ConnectionState>(stateOf(initialFacts, clock.now()));
  const graceTimer = createTimer(clock);
  let facts = initialFacts;
  const publish = () => {
    state.set(stateOf(facts, clock.now()));
    if (facts.lostAt === null) graceTimer.clear();
    else if (!graceTimer.armed && state.get() === "live")
      graceTimer.set(facts.lostAt + GRACE_MS - clock.now(), publish);
  };
  return {
    get: state.get,
    subscribe: state.subscribe,
    signal(signal) {
      facts = next(facts, signal, clock.now());
      publish();
    },
    get realtimeEnabled() {
      return facts.realtimeEnabled;
    },
    close: graceTimer.clear,
  };
}
