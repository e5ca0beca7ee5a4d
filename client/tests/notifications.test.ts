// The author's notifications: the list, the unread count, arrivals, and marks that the server may refuse.
import { beforeEach, describe, expect, it } from "vitest";
import { LikesError } from "../src/core/errors.js";
import { type AnyEvent, readEvent } from "../src/core/events.js";
import { createNotifications, type NotificationsInside } from "../src/core/notifications.js";
import { fitting, type NotificationPage, notificationPageShape } from "../src/core/wire.js";
import { deferred, settled } from "./fakes/clock.js";
import { FakeServer, uuid, type WireNotification } from "./fakes/server.js";

const author = { id: uuid(1), email: "a@example.com", username: "author", password: "" };
let server: FakeServer;
let notifications: NotificationsInside;
let arrived: string[];
let told: (readonly string[] | null)[];
let gate: Promise<void>;
let refusal: LikesError | null;
let muted: [string, boolean][];

beforeEach(() => {
  server = new FakeServer([author], []);
  arrived = [];
  told = [];
  gate = Promise.resolve();
  refusal = null;
  muted = [];
  const api = {
    async getNotifications(cursor: string | null, max: number) {
      const page = fitting(notificationPageShape, server.list(author.id, cursor, max)) as NotificationPage;
      await gate;
      if (refusal) throw refusal;
      return page;
    },
    async markNotificationsRead(ids: readonly string[] | null) {
      await gate;
      if (refusal) throw refusal;
      return server.markRead(author.id, ids).unread_count as number;
    },
    async muteContent({ id }: { id: string }, isMuted: boolean) {
      muted.push([id, isMuted]);
    },
  };
  notifications = createNotifications(api, (ids) => void told.push(ids));
  notifications.arrivals.subscribe(({ id }) => arrived.push(id));
});

function stored(number: number, part: Partial<WireNotification> = {}): WireNotification {
  const notification: WireNotification = {
    id: uuid(number),
    type: "like",
    title: "New Like!",
    message: `u${number} liked your post`,
    data: { contentType: "post", contentId: uuid(500), likerCount: 1 },
    createdAt: new Date(1_800_000_000_000 + number).toISOString(),
    isRead: false,
    ...part,
  };
  server.notifications.set(author.id, [...(server.notifications.get(author.id) ?? []), notification]);
  return notification;
}

type Notice = Exclude<AnyEvent, { kind: "likes" }>;
const event = (name: string, payload: object) => readEvent(`notification:${name}`, payload) as Notice;
const ids = () => notifications.get().items.map(({ id }) => id);
const unread = () => notifications.get().unread;

describe("notifications (A6)", () => {
  it("are listed newest first with the unread count, page by page", async () => {
    for (let n = 1; n <= 45; n++) stored(n, { isRead: n <= 40 });
    await notifications.refresh();
    expect([ids().length, ids()[0], unread(), notifications.get().hasMore]).toEqual([20, uuid(45), 5, true]);
    await notifications.loadMore();
    await notifications.loadMore();
    expect([ids().length, ids().at(-1), notifications.get().hasMore]).toEqual([45, uuid(1), false]);
    await notifications.loadMore();
    expect(ids()).toHaveLength(45);
  });

  it("arrive by event, once, and count", () => {
    const notification = stored(1);
    notifications.apply(event("new", notification), false);
    notifications.apply(event("new", notification), false);
    expect([ids(), unread(), arrived]).toEqual([[uuid(1)], 1, [uuid(1)]]);
  });

  it("grow without counting twice", () => {
    notifications.apply(event("new", stored(1)), false);
    notifications.apply(event("updated", { ...stored(1), message: "u1 and 1 others liked your post" }), false);
    expect([notifications.get().items[0]?.message, unread()]).toEqual(["u1 and 1 others liked your post", 1]);
    expect(arrived).toHaveLength(1);
  });

  it("vanish when the like is taken back", () => {
    notifications.apply(event("new", stored(1)), false);
    notifications.apply(event("removed", { id: uuid(1) }), false);
    expect([ids(), unread()]).toEqual([[], 0]);
  });

  it("that are not in the list make the client ask how many are unread", async () => {
    stored(1);
    stored(2);
    notifications.apply(event("removed", { id: uuid(77) }), false);
    await settled();
    expect([ids().length, unread()]).toEqual([2, 2]);
  });

  it("replayed after a reconnect never make a read one unread again", async () => {
    const notification = stored(1);
    server.markRead(author.id, null);
    await notifications.refresh();
    notifications.apply(event("new", notification), true);
    await settled();
    expect([unread(), arrived]).toEqual([0, []]);
  });

  it("that arrive while a page is fetched are not lost to the older page", async () => {
    const held = deferred<void>();
    gate = held.promise;
    const refreshed = notifications.refresh();
    notifications.apply(event("new", stored(1)), false);
    held.resolve();
    await refreshed;
    expect([ids(), unread()]).toEqual([[uuid(1)], 1]);
  });

  it("asked for twice at once are fetched once more, not in parallel", async () => {
    const first = notifications.refresh();
    stored(1);
    await Promise.all([notifications.refresh(), first]);
    expect(ids()).toEqual([uuid(1)]);
    expect(notifications.get().loading).toBe(false);
  });

  it("asked for by two people in turn are those of the second", async () => {
    const held = deferred<void>();
    gate = held.promise;
    const asked = [notifications.refresh()];
    notifications.reset();
    asked.push(notifications.refresh(), notifications.refresh());
    stored(1);
    held.resolve();
    await Promise.all(asked);
    expect([ids(), unread(), notifications.get().loading]).toEqual([[uuid(1)], 1, false]);
  });

  it("asked for while more are loaded are fetched afterwards", async () => {
    for (let n = 1; n <= 25; n++) stored(n);
    await notifications.refresh();
    const more = notifications.loadMore();
    stored(26);
    await Promise.all([notifications.refresh(), more]);
    expect([ids()[0], unread()]).toEqual([uuid(26), 26]);
  });

  it("are read at once, one or all, and other tabs are told", async () => {
    for (let n = 1; n <= 3; n++) stored(n);
    await notifications.refresh();
    const marking = notifications.markRead([uuid(2)]);
    expect(unread()).toBe(2);
    await marking;
    await notifications.markRead();
    expect(unread()).toBe(0);
    expect(notifications.get().items.every(({ isRead }) => isRead)).toBe(true);
    expect(told).toEqual([[uuid(2)], null]);
  });

  it("are unread again when the server refuses the mark, and the reason is there", async () => {
    stored(1);
    await notifications.refresh();
    refusal = new LikesError("database_unavailable", "busy");
    await notifications.markRead();
    expect(notifications.get().failure?.code).toBe("database_unavailable");
    refusal = null;
    await notifications.refresh();
    expect([unread(), notifications.get().failure]).toEqual([1, null]);
  });

  it("read in another tab are read here", async () => {
    stored(1);
    stored(2);
    await notifications.refresh();
    notifications.readElsewhere([uuid(1)]);
    expect(unread()).toBe(1);
  });

  it("of one content can be stopped and resumed", async () => {
    await notifications.mute({ type: "post", id: uuid(500) });
    await notifications.mute({ type: "post", id: uuid(500) }, false);
    expect(muted).toEqual([
      [uuid(500), true],
      [uuid(500), false],
    ]);
  });

  it("of one person are not shown to the next, nor is what was asked for before", async () => {
    stored(1);
    const held = deferred<void>();
    gate = held.promise;
    const asked = [notifications.refresh(), notifications.markRead()];
    notifications.reset();
    held.resolve();
    await Promise.all(asked);
    expect([ids(), unread(), told]).toEqual([[], 0, []]);
  });

  it("of one person that fail late are no failure of the next", async () => {
    const held = deferred<void>();
    gate = held.promise;
    refusal = new LikesError("internal", "oops");
    const asked = [notifications.refresh(), notifications.markRead()];
    notifications.reset();
    held.resolve();
    await Promise.all(asked);
    expect(notifications.get().failure).toBeNull();
  });
});
