// The author's notifications: the newest page and the unread count from the server, kept current by events, read marks shown at once and
// taken back when the server refuses.
import type { LikesApi } from "./api.js";
import { asLikesError, LikesError } from "./errors.js";
import type { NotificationEvent, RemovalEvent } from "./events.js";
import { createEmitter, createStore, type Emitter, type Readable } from "./store.js";
import type { ContentRef, Failure, Notification } from "./types.js";
import type { NotificationPage } from "./wire.js";

export interface NotificationState {
  /** Newest first. */
  readonly items: readonly Notification[];
  readonly unread: number;
  readonly hasMore: boolean;
  readonly loading: boolean;
  readonly failure: Failure | null;
}

export interface Notifications extends Readable<NotificationState> {
  /** Each notification that arrives while this client runs, once: what a toast shows. */
  readonly arrivals: Pick<Emitter<Notification>, "subscribe">;
  loadMore(): Promise<void>;
  /** Marks these, or all. */
  markRead(ids?: readonly string[]): Promise<void>;
  /** Stops (or resumes) the notifications of one content's likes. Rejects with a LikesError. */
  mute(content: ContentRef, muted?: boolean): Promise<void>;
}

export interface NotificationsInside extends Notifications {
  refresh(): Promise<void>;
  apply(event: NotificationEvent | RemovalEvent, replayed: boolean): void;
  readElsewhere(ids: readonly string[] | null): void;
  reset(): void;
}

const PAGE = 20;
const empty: NotificationState = { items: [], unread: 0, hasMore: false, loading: false, failure: null };

type NotificationApi = Pick<LikesApi, "getNotifications" | "markNotificationsRead" | "muteContent">;

export function createNotifications(
  api: NotificationApi,
  onRead: (ids: readonly string[] | null) => void,
): NotificationsInside {
  const state = createStore(empty);
  const arrivals = createEmitter<Notification>();
  let cursor: string | null = null;
  /** Changes when somebody else signs in: what was asked for before is not theirs. */
  let epoch = 0;
  /** The fetch under way, with the events that came meanwhile: the page may be older than they are. */
  let fetching: { missed: (NotificationEvent | RemovalEvent)[] } | null = null;
  let again = false;

  const change = (part: Partial<NotificationState>) => state.set({ ...state.get(), ...part });

  async function fetchPage(from: string | null): Promise<void> {
    const mine: NonNullable<typeof fetching> = { missed: [] };
    fetching = mine;
    change({ loading: true });
    const page = await api.getNotifications(from, PAGE).catch(asLikesError);
    if (fetching !== mine) return;
    fetching = null;
    if (page instanceof LikesError) change({ loading: false, failure: failureOf(page) });
    else show(page, from === null);
    for (const event of mine.missed) applyToList(event);
    if (again) await refresh();
  }

  function show(page: NotificationPage, isFirst: boolean): void {
    cursor = page.next_cursor;
    const items = isFirst ? page.notifications : merged(state.get().items, page.notifications);
    change({ items, unread: page.unread_count, hasMore: cursor !== null, loading: false, failure: null });
  }

  async function refresh(): Promise<void> {
    again = fetching !== null;
    if (!fetching) await fetchPage(null);
  }

  function apply(event: NotificationEvent | RemovalEvent, replayed: boolean): void {
    // A replayed event tells how things were; what was read since only the server knows.
    if (replayed) return void refresh();
    const known = knows(event);
    fetching?.missed.push(event);
    applyToList(event);
    // Of one that is not in the loaded page we cannot say whether it was counted: the server can.
    if (!known && !(event.kind === "notification" && event.isNew)) void refresh();
    if (event.kind === "notification" && event.isNew && !known) arrivals.emit(event.notification);
  }

  const knows = (event: NotificationEvent | RemovalEvent) =>
    state.get().items.some(({ id }) => id === (event.kind === "removal" ? event.id : event.notification.id));

  function applyToList(event: NotificationEvent | RemovalEvent): void {
    const { items, unread } = state.get();
    const id = event.kind === "removal" ? event.id : event.notification.id;
    const old = items.find((item) => item.id === id);
    const added = event.kind === "notification" ? [event.notification] : [];
    const difference = unreadOf(added) - unreadOf(old ? [old] : []);
    change({
      items: merged(
        items.filter((item) => item !== old),
        added,
      ),
      unread: Math.max(0, unread + difference),
    });
  }

  function showRead(ids: readonly string[] | null): void {
    const { items, unread } = state.get();
    const hit = items.filter((item) => !item.isRead && (ids === null || ids.includes(item.id)));
    change({
      items: items.map((item) => (hit.includes(item) ? { ...item, isRead: true } : item)),
      unread: ids === null ? 0 : Math.max(0, unread - hit.length),
    });
  }

  return {
    get: state.get,
    subscribe: state.subscribe,
    arrivals,
    refresh,
    apply,
    readElsewhere: showRead,
    mute: (content, muted = true) => api.muteContent(content, muted),
    async loadMore() {
      if (cursor !== null && !fetching) await fetchPage(cursor);
    },
    async markRead(ids) {
      const which = ids ?? null;
      const askedIn = epoch;
      showRead(which);
      try {
        const unread = await api.markNotificationsRead(which);
        if (askedIn !== epoch) return;
        change({ unread, failure: null });
        onRead(which);
      } catch (cause) {
        if (askedIn !== epoch) return;
        await refresh();
        change({ failure: failureOf(asLikesError(cause)) });
      }
    },
    reset() {
      epoch += 1;
      cursor = null;
      fetching = null;
      again = false;
      state.set(empty);
    },
  };
}

function unreadOf(items: readonly Notification[]): number {
  return items.filter((item) => !item.isRead).length;
}

function merged(items: readonly Notification[], more: readonly Notification[]): Notification[] {
  const byId = new Map([...items, ...more].map((item) => [item.id, item]));
  return [...byId.values()].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
}

function failureOf({ code, message }: LikesError): Failure {
  return { code, message };
}
