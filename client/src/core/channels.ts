// Joins and leaves private channels through supabase-js, and keeps them joined: realtime-js rejoins by itself after a lost socket, but not
// after the server has closed a channel, and it knocks forever where it was refused. Each rejoin asks for replay since the last event.
import type { RealtimeChannel, SupabaseClient } from "@supabase/supabase-js";
import { type Clock, createTimer, type Timer } from "./clock.js";
import type { ChannelStatus } from "./connection.js";
import { type AnyEvent, eventNames, readEvent, timeOf } from "./events.js";

export interface Channels {
  join(topic: string): void;
  leave(topic: string): void;
  leaveAll(): void;
  /** The network was away and may have taken the socket with it: opens a new one, which rejoins everything. */
  reconnect(): Promise<void>;
}

export interface ChannelListeners {
  onEvent(event: AnyEvent, replayed: boolean): void;
  onStatus(topic: string, status: ChannelStatus): void;
}

/** Waits before joining again, after a channel that had worked was closed by the server (an expired token, a limit). */
const REJOIN_MS = [1000, 2000, 5000, 10_000] as const;
/** A refusal by policy will not change in seconds. */
const REFUSED_MS = 60_000;
/** Older than this, the heartbeat's present state is of more use than 25 old events. */
const REPLAY_MAX_MS = 60 * 60 * 1000;

interface Seat {
  readonly topic: string;
  readonly timer: Timer;
  channel: RealtimeChannel | null;
  failures: number;
}

export function createChannels(supabase: SupabaseClient, clock: Clock, listeners: ChannelListeners): Channels {
  const seats = new Map<string, Seat>();
  /** The server's time of the newest event per topic. */
  const lastEvent = new Map<string, number>();

  function sit(seat: Seat): void {
    const config = configSince(lastEvent.get(seat.topic), clock.now());
    const channel = supabase.channel(seat.topic, { config });
    seat.channel = channel;
    for (const event of eventNames) {
      channel.on("broadcast", { event }, (message) => receive(seat, event, message.payload, message.meta?.replayed));
    }
    channel.subscribe((status, error) => {
      if (seat.channel === channel) changed(seat, status, error);
    });
  }

  function receive(seat: Seat, name: string, payload: unknown, replayed = false): void {
    const event = readEvent(name, payload);
    if (!event) return;
    const time = timeOf(event);
    if (time !== null && time > (lastEvent.get(seat.topic) ?? 0)) {
      lastEvent.set(seat.topic, time);
      // realtime-js sends this payload again at its own rejoins.
      seat.channel?.updateJoinPayload({ config: configSince(time, clock.now()) });
    }
    listeners.onEvent(event, replayed);
  }

  function changed(seat: Seat, status: string, error: Error | undefined): void {
    if (status === "SUBSCRIBED") {
      seat.failures = 0;
      return listeners.onStatus(seat.topic, "joined");
    }
    const refused = error?.message.includes("Unauthorized") ?? false;
    // realtime-js tries again by itself after CHANNEL_ERROR and TIMED_OUT.
    if (status === "CLOSED" || refused) standUpAndReturn(seat, refused);
    listeners.onStatus(seat.topic, "failed");
  }

  function standUpAndReturn(seat: Seat, refused: boolean): void {
    standUp(seat);
    const wait = refused ? REFUSED_MS : (REJOIN_MS[Math.min(seat.failures, REJOIN_MS.length - 1)] as number);
    seat.failures += 1;
    seat.timer.set(wait, () => sit(seat));
  }

  function standUp(seat: Seat): void {
    const { channel } = seat;
    seat.channel = null;
    seat.timer.clear();
    if (channel) void supabase.removeChannel(channel);
  }

  function leave(topic: string): void {
    const seat = seats.get(topic);
    if (!seat) return;
    seats.delete(topic);
    standUp(seat);
    listeners.onStatus(topic, "left");
  }

  return {
    join(topic) {
      if (seats.has(topic)) return;
      const seat = { topic, timer: createTimer(clock), channel: null, failures: 0 };
      seats.set(topic, seat);
      sit(seat);
    },
    leave,
    leaveAll() {
      for (const topic of [...seats.keys()]) leave(topic);
    },
    async reconnect() {
      if (seats.size === 0) return;
      await supabase.realtime.disconnect();
      supabase.realtime.connect();
    },
  };
}

function configSince(since: number | undefined, now: number) {
  const replay = since !== undefined && now - since < REPLAY_MAX_MS ? { replay: { since } } : {};
  return { private: true, broadcast: { self: false, ack: false, ...replay } };
}
