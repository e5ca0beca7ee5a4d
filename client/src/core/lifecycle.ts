// Reacts to the world around: who is signed in, whether anybody looks, whether there is a network, whether Realtime is wanted.
import type { SupabaseClient } from "@supabase/supabase-js";
import type { Channels } from "./channels.js";
import type { Clock } from "./clock.js";
import type { Connection } from "./connection.js";
import type { Contents } from "./contents.js";
import type { Environment } from "./environment.js";
import type { Heartbeat } from "./heartbeat.js";
import type { NotificationsInside } from "./notifications.js";
import { createShared, type Shared } from "./offline.js";
import type { Rooms } from "./rooms.js";
import type { Session } from "./session.js";
import { userTopic } from "./types.js";

export interface LifecycleParts {
  readonly supabase: SupabaseClient;
  readonly clock: Clock;
  readonly environment: Environment;
  readonly session: Session;
  readonly connection: Connection;
  readonly contents: Contents;
  readonly notifications: NotificationsInside;
  readonly heartbeat: Heartbeat;
  readonly channels: Channels;
  readonly rooms: Rooms;
}

export interface Lifecycle {
  /** What the tabs of the signed-in person share; null while nobody is signed in. */
  readonly shared: Shared | null;
  setRealtime(enabled: boolean): void;
  close(): void;
}

export function startLifecycle(parts: LifecycleParts): Lifecycle {
  const { environment, session, connection, contents, notifications, heartbeat, channels, rooms } = parts;
  let shared: Shared | null = null;
  /** The person whom the channels know; undefined while nobody may join. */
  let admitted: string | null | undefined;
  let closed = false;

  /** Brings everything in line with how things are; calling it twice changes nothing. */
  function settle(): void {
    const awake = admitted !== undefined && environment.visible();
    heartbeat.setAwake(awake);
    rooms.setOpen(awake && connection.realtimeEnabled);
    if (admitted && connection.realtimeEnabled) channels.join(userTopic(admitted));
  }

  function dismiss(): void {
    admitted = undefined;
    rooms.setOpen(false);
    channels.leaveAll();
    shared?.close();
    shared = null;
    heartbeat.reset();
    for (const content of contents.all()) content.reset();
    notifications.reset();
  }

  async function admit(user: string | null | undefined): Promise<void> {
    dismiss();
    if (user === undefined) return;
    // A channel that joins before realtime-js has the token would join as a stranger.
    await parts.supabase.realtime.setAuth().catch(() => undefined);
    if (closed || user !== session.user.get()) return;
    admitted = user;
    if (user) shared = share(user);
    settle();
    // The screen belongs to somebody else now: ask at once, whoever asked last.
    heartbeat.soon();
    if (user) void notifications.refresh();
    void shared?.flush();
  }

  function share(user: string): Shared {
    const { clock } = parts;
    const offline = () => connection.get() === "offline";
    const { storage, tabs: doors } = environment;
    return createShared({ clock, storage, doors, contents, offline, onRead: notifications.readElsewhere }, user);
  }

  function networkChanged(): void {
    const online = environment.online();
    connection.signal({ type: "browser", online });
    if (!online) return;
    heartbeat.soon();
    void channels.reconnect();
  }

  const stops = [
    // Not inside the callback of supabase-js: it holds its lock there, and the token is behind that lock.
    session.user.subscribe((user) => void parts.clock.after(0, () => void admit(user))),
    contents.watching.subscribe(({ key, onScreen }) => {
      if (onScreen) rooms.show(key);
      else rooms.hide(key);
      if (onScreen || contents.watched().length === 0) heartbeat.soon();
    }),
    connection.subscribe((state) => {
      if (state !== "offline") void shared?.flush();
    }),
    environment.onChange((change) => {
      if (change === "network") networkChanged();
      else if (change === "visibility") settle();
      else for (const content of contents.all()) content.flush();
    }),
  ];
  connection.signal({ type: "browser", online: environment.online() });

  return {
    get shared() {
      return shared;
    },
    setRealtime(enabled) {
      connection.signal({ type: "realtime", enabled });
      rooms.setOpen(false);
      if (!enabled) channels.leaveAll();
      settle();
    },
    close() {
      closed = true;
      for (const stop of stops) stop();
      heartbeat.setAwake(false);
      dismiss();
      connection.close();
      session.close();
    },
  };
}
