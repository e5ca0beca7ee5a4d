// A naive stand-in for the database and the likes function: it keeps state, obeys the contract, and nothing is clever about it.
import type { ContentType } from "../../src/index.js";

export interface FakeUser {
  readonly id: string;
  readonly email: string;
  readonly username: string;
  readonly password: string;
}

export interface FakeContent {
  readonly type: ContentType;
  readonly id: string;
  readonly authorId: string;
  readonly text: string;
}

export interface WireNotification {
  id: string;
  type: "like";
  title: string;
  message: string;
  data: Record<string, unknown>;
  createdAt: string;
  isRead: boolean;
}

export interface Sent {
  readonly topic: string;
  readonly event: string;
  readonly payload: Record<string, unknown>;
  readonly at: number;
}

interface Item {
  content_type: ContentType;
  content_id: string;
}

export interface SyncItem extends Item {
  version: number | null;
  viewers: number | null;
  liked: boolean | null;
}

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(code);
  }
}

export const uuid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

export class FakeServer {
  readonly likes = new Map<string, Map<string, { liked: boolean; intent: number }>>();
  readonly announced = new Map<string, { total: number; version: number }>();
  readonly viewers = new Map<string, string[]>();
  readonly notifications = new Map<string, WireNotification[]>();
  /** Every like command that arrived, refused or not. */
  readonly commands: Record<string, unknown>[] = [];
  readonly beats: { viewer: string; user: string | null; items: SyncItem[]; connection: string }[] = [];
  readonly sent: Sent[] = [];
  /** Set by a test: refuses the next likes. */
  refuse: Refusal[] = [];
  heartbeatMs = 12_000;
  onSend: (sent: Sent) => void = () => undefined;
  private version = 100;
  private notificationNumber = 0;

  constructor(
    readonly users: readonly FakeUser[],
    readonly contents: readonly FakeContent[],
    readonly now: () => number = Date.now,
  ) {}

  like(userId: string, command: Item & { liked: boolean; intent?: number }): Record<string, unknown> {
    this.commands.push({ userId, ...command });
    const refusal = this.refuse.shift();
    if (refusal) throw refusal;
    const content = this.content(command);
    const key = keyOf(command);
    const rows = this.likes.get(key) ?? new Map<string, { liked: boolean; intent: number }>();
    this.likes.set(key, rows);
    const held = rows.get(userId) ?? { liked: false, intent: 0 };
    const intent = command.intent ?? this.now();
    if (intent > this.now() + 5000) throw new Refusal(400, "intent_in_future");
    const fresh = intent > held.intent;
    const changed = fresh && command.liked !== held.liked;
    if (fresh) rows.set(userId, { liked: command.liked, intent });
    if (changed) this.announce(content, userId, command.liked);
    const after = rows.get(userId) ?? held;
    const author = this.person(content.authorId);
    return { ...command, ...this.counted(key), liked: after.liked, intent: after.intent, changed, viewers: 0, author };
  }

  status(userId: string | null, items: readonly Item[]): Record<string, unknown>[] {
    return items
      .filter((item) => this.contents.some((content) => keyOf(item) === key(content)))
      .map((item) => {
        const own = (userId && this.likes.get(keyOf(item))?.get(userId)) || { liked: false, intent: null };
        return { content_type: item.content_type, content_id: item.content_id, ...this.counted(keyOf(item)), ...own };
      });
  }

  sync(userId: string | null, viewer: string, items: readonly SyncItem[], connection: string): Record<string, unknown> {
    this.beats.push({ viewer, user: userId, items: [...items], connection });
    if (items.length === 0) this.viewers.delete(viewer);
    else this.viewers.set(viewer, items.map(keyOf));
    const known = new Map(items.map((item) => [keyOf(item), item]));
    const changed = this.status(userId, items).filter((status) => {
      const item = known.get(keyOf(status as unknown as Item));
      return (
        !item?.version ||
        item.version !== status.version ||
        item.viewers !== status.viewers ||
        item.liked !== status.liked
      );
    });
    return {
      items: changed.map((status) => ({ ...status, viewer_names: userId ? [this.person(userId)] : [] })),
      heartbeat_ms: this.heartbeatMs,
    };
  }

  list(userId: string, cursor: string | null, max: number): Record<string, unknown> {
    const all = [...(this.notifications.get(userId) ?? [])].reverse();
    const start = Number(cursor ?? 0);
    const next = start + max < all.length ? String(start + max) : null;
    const unread = all.filter((notification) => !notification.isRead).length;
    return { notifications: all.slice(start, start + max), unread_count: unread, next_cursor: next };
  }

  markRead(userId: string, ids: readonly string[] | null): Record<string, unknown> {
    const all = this.notifications.get(userId) ?? [];
    const hit = all.filter(({ id, isRead }) => !isRead && (ids === null || ids.includes(id)));
    for (const notification of hit) notification.isRead = true;
    return { marked: hit.length, unread_count: all.filter(({ isRead }) => !isRead).length };
  }

  counted(key: string): { total_likes: number; version: number; viewers: number } {
    const { total, version } = this.announced.get(key) ?? { total: 0, version: 0 };
    const viewers = [...this.viewers.values()].filter((keys) => keys.includes(key)).length;
    return { total_likes: total, version, viewers };
  }

  person(id: string): { id: string; username: string; display_name: string | null } {
    const user = this.users.find((candidate) => candidate.id === id);
    return { id, username: user?.username ?? "gone", display_name: user?.username ?? null };
  }

  send(topic: string, event: string, payload: Record<string, unknown>): void {
    const sent = { topic, event, payload: { ...payload, id: crypto.randomUUID() }, at: this.now() };
    this.sent.push(sent);
    this.onSend(sent);
  }

  private content(item: Item): FakeContent {
    const found = this.contents.find((content) => key(content) === keyOf(item));
    if (!found) throw new Refusal(404, "content_not_found");
    return found;
  }

  private announce(content: FakeContent, userId: string, liked: boolean): void {
    const rows = this.likes.get(key(content)) ?? new Map();
    const total = [...rows.values()].filter((row) => row.liked).length + (this.base.get(key(content)) ?? 0);
    const version = ++this.version;
    this.announced.set(key(content), { total, version });
    const payload = likeEvent(content, { version, total, liked, at: this.now(), liker: this.person(userId) });
    const event = liked ? "post:liked" : "post:unliked";
    this.send(`content:${key(content)}`, event, payload);
    if (content.authorId === userId) return;
    this.send(`user:${content.authorId}`, event, payload);
    if (liked) this.notify(content, userId, total);
  }

  /** Likes of people who are not in this play. */
  readonly base = new Map<string, number>();

  startWith(content: FakeContent, total: number): void {
    this.base.set(key(content), total);
    this.announced.set(key(content), { total, version: ++this.version });
  }

  private notify(content: FakeContent, likerId: string, totalLikes: number): void {
    const { username } = this.person(likerId);
    const notification: WireNotification = {
      id: uuid(900_000 + ++this.notificationNumber),
      type: "like",
      title: "New Like!",
      message: `${username} liked your ${content.type}`,
      data: {
        contentType: content.type,
        contentId: content.id,
        likerId,
        likerUsername: username,
        likerIds: [likerId],
        likerCount: 1,
        totalLikes,
      },
      createdAt: new Date(this.now()).toISOString(),
      isRead: false,
    };
    this.notifications.set(content.authorId, [...(this.notifications.get(content.authorId) ?? []), notification]);
    this.send(`user:${content.authorId}`, "notification:new", { ...notification });
  }
}

export interface EventFacts {
  version: number;
  total: number;
  liked: boolean;
  at: number;
  liker: { id: string; username: string } | null;
}

export function likeEvent(content: Pick<FakeContent, "id" | "type">, facts: EventFacts): Record<string, unknown> {
  const { liker, at } = facts;
  return {
    eventId: `like_${content.id}_${liker?.id ?? "anonymous"}_${at}`,
    postId: content.id,
    contentType: content.type,
    userId: liker?.id ?? null,
    username: liker?.username ?? null,
    isLiked: facts.liked,
    totalLikes: facts.total,
    version: facts.version,
    viewers: 1,
    occurredAt: new Date(at).toISOString(),
  };
}

const keyOf = (item: Item): string => `${item.content_type}:${item.content_id}`;
const key = (content: Pick<FakeContent, "id" | "type">): string => `${content.type}:${content.id}`;
