// Puts the parts together: one client per page, built on the application's own supabase-js client.
import type { SupabaseClient } from "@supabase/supabase-js";
import { createApi } from "./api.js";
import { type Channels, createChannels } from "./channels.js";
import { type Clock, systemClock } from "./clock.js";
import { createConnection } from "./connection.js";
import type { ContentLikes } from "./content.js";
import { type Contents, createContents } from "./contents.js";
import { browserEnvironment, type Environment } from "./environment.js";
import type { AnyEvent, LikesEvent } from "./events.js";
import { createHeartbeat, type Heartbeat } from "./heartbeat.js";
import { createIntents } from "./intents.js";
import { type Lifecycle, startLifecycle } from "./lifecycle.js";
import { createNotifications, type Notifications } from "./notifications.js";
import { createRooms } from "./rooms.js";
import { createSession, type Session } from "./session.js";
import { createStatusLoader } from "./statuses.js";
import { createEmitter, type Emitter, type Readable } from "./store.js";
import { type ConnectionState, type ContentRef, contentTopic } from "./types.js";

export interface LikesOptions {
  readonly supabase: SupabaseClient;
  /** Where the likes function answers, e.g. `https://….lambda-url.eu-central-1.on.aws/` or `{url}/functions/v1/likes`. */
  readonly likesUrl: string;
  /** This client's share of the plan's channel joins per second. */
  readonly joinsPerSecond?: number;
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  /** Who is signed in, for clients whose sessions do not come from Supabase Auth. */
  readonly session?: Session;
  readonly clock?: Clock;
  readonly environment?: Environment;
  readonly random?: () => number;
}

export interface Likes {
  content(ref: ContentRef): ContentLikes;
  /** Loads what the server knows of these, for a feed page that is about to be shown. */
  load(refs: readonly ContentRef[]): Promise<void>;
  readonly notifications: Notifications;
  readonly connection: Readable<ConnectionState> & { setRealtime(enabled: boolean): void };
  /** Null: signed out; undefined: not known yet. */
  readonly user: Readable<string | null | undefined>;
  /** Every event about likes, once, whatever the number of channels that brought it. */
  readonly events: Pick<Emitter<LikesEvent>, "subscribe">;
  /** Leaves every channel, stops every timer. */
  close(): void;
}

export function createLikes(options: LikesOptions): Likes {
  const { supabase, clock = systemClock, environment = browserEnvironment(), timeoutMs = 10_000 } = options;
  const session = options.session ?? createSession(supabase);
  const request = options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args));
  const api = createApi({ supabase, session, likesUrl: options.likesUrl, fetch: request, timeoutMs });
  const connection = createConnection(clock);
  const events = createEmitter<LikesEvent>();
  // The parts know each other in a circle; what is called later is looked up later.
  const contents: Contents = createContents({
    clock,
    intents: createIntents(clock),
    signedIn: () => typeof session.user.get() === "string",
    offline: () => connection.get() === "offline",
    probe: () => heartbeat.beat(),
    renewToken: session.renew,
    send: api.setLike,
    refresh: (ref) => statuses.refresh(ref),
    park: (...wish) => lifecycle.shared?.park(...wish),
    settled: (...outcome) => lifecycle.shared?.settled(...outcome),
    dropped: (...outcome) => lifecycle.shared?.dropped(...outcome),
  });
  const statuses = createStatusLoader({ api, clock, contents, user: session.user });
  const notifications = createNotifications(api, (ids) => lifecycle.shared?.read(ids));
  const heartbeat: Heartbeat = createHeartbeat({
    api,
    clock,
    random: options.random ?? Math.random,
    viewerId: environment.id(),
    seen: () => contents.watched().map((content) => content.seen),
    connection: connection.get,
    apply: ({ items }) => contents.applyStatuses(items),
    ended(answers) {
      connection.signal({ type: "server", answers });
      // Without a channel of their own, notifications are asked for at the pace of the heartbeat.
      if (connection.get() === "polling" && session.user.get()) void notifications.refresh();
    },
  });
  const channels: Channels = createChannels(supabase, clock, {
    onEvent: receive,
    onStatus(topic, status) {
      connection.signal({ type: "channel", topic, status });
      if (status !== "joined") return;
      // What happened before the join was on no channel of ours.
      if (topic.startsWith("user:")) void notifications.refresh();
      else heartbeat.soon();
    },
  });
  const rooms = createRooms(
    clock,
    { join: (key) => channels.join(contentTopic(key)), leave: (key) => channels.leave(contentTopic(key)) },
    options.joinsPerSecond ?? 20,
  );
  const parts = { supabase, clock, environment, session, connection, contents, notifications };
  const lifecycle: Lifecycle = startLifecycle({ ...parts, heartbeat, channels, rooms });

  function receive(event: AnyEvent, replayed: boolean): void {
    if (event.kind !== "likes") return notifications.apply(event, replayed);
    const content = contents.find(event.content);
    const user = session.user.get();
    if (user && content.contradicts(event, user)) statuses.refresh(event.content);
    if (content.applyEvent(event)) events.emit(event);
  }

  return {
    content: contents.open,
    load: statuses.load,
    notifications,
    connection: { get: connection.get, subscribe: connection.subscribe, setRealtime: lifecycle.setRealtime },
    user: session.user,
    events,
    close: lifecycle.close,
  };
}
