// Broadcasts are validated before use: unknown fields pass, wrong types drop the whole event (B4).
import { describe, expect, it } from "vitest";
import { eventNames, readEvent, timeOf } from "../src/core/events.js";
import { likeEvent, uuid } from "./fakes/server.js";

const at = 1_800_000_000_000;
const liked = likeEvent(
  { type: "video", id: uuid(1) },
  { version: 7, total: 3, liked: true, at, liker: { id: uuid(2), username: "ada" } },
);
const batch = {
  contentId: uuid(1),
  contentType: "post",
  authorId: uuid(3),
  finalLikeState: true,
  totalLikes: 90,
  likerIds: [uuid(2)],
  likerCount: 12,
  version: 8,
  viewers: 4,
  timestamp: new Date(at).toISOString(),
};
const notification = {
  id: uuid(9),
  type: "like",
  title: "New Like!",
  message: "<b>ada</b> liked your post",
  data: { contentType: "post", contentId: uuid(1), likerId: uuid(2), likerCount: 1, totalLikes: 3 },
  createdAt: new Date(at).toISOString(),
  isRead: false,
};

describe("an event", () => {
  it("of a like tells content, count, version and who", () => {
    expect(readEvent("post:liked", { ...liked, id: uuid(50), somethingNew: { a: 1 } })).toEqual({
      kind: "likes",
      content: { type: "video", id: uuid(1) },
      total: 3,
      version: 7,
      viewers: 1,
      likerIds: [uuid(2)],
      activity: { liker: { id: uuid(2), username: "ada" }, liked: true, people: 1, version: 7, at: liked.occurredAt },
    });
  });

  it("of a private liker names nobody (A19)", () => {
    const event = readEvent("post:unliked", { ...liked, userId: null, username: null, isLiked: false });
    expect(event).toMatchObject({ kind: "likes", likerIds: [], activity: { liker: null, liked: false } });
  });

  it("of a batch tells the final state (A7)", () => {
    expect(readEvent("post:likes_batched", batch)).toMatchObject({
      kind: "likes",
      total: 90,
      version: 8,
      likerIds: [uuid(2)],
      activity: { liker: null, liked: true, people: 12 },
    });
  });

  it("about a notification carries it", () => {
    expect(readEvent("notification:new", notification)).toMatchObject({
      kind: "notification",
      isNew: true,
      notification: { id: uuid(9), message: "<b>ada</b> liked your post", content: { type: "post", id: uuid(1) } },
    });
    expect(readEvent("notification:updated", notification)).toMatchObject({ isNew: false });
    expect(readEvent("notification:removed", { id: uuid(9) })).toEqual({ kind: "removal", id: uuid(9) });
  });

  it.each([
    ["an unknown name", "post:shared", liked],
    ["a name of Object's own", "constructor", liked],
    ["no payload", "post:liked", null],
    ["a text", "post:liked", "post"],
    ["a missing count", "post:liked", { ...liked, totalLikes: undefined }],
    ["a negative count", "post:liked", { ...liked, totalLikes: -1 }],
    ["a count as text", "post:liked", { ...liked, totalLikes: "3" }],
    ["a broken count", "post:liked", { ...liked, totalLikes: 2.5 }],
    ["an unsafe version", "post:liked", { ...liked, version: 2 ** 60 }],
    ["another type of content", "post:liked", { ...liked, contentType: "poll" }],
    ["an id that is none", "post:liked", { ...liked, postId: "1; drop table" }],
    ["a time that is none", "post:liked", { ...liked, occurredAt: "soon" }],
    ["likers that are none", "post:likes_batched", { ...batch, likerIds: [7] }],
    ["another kind of notification", "notification:new", { ...notification, type: "comment" }],
    ["no content", "notification:new", { ...notification, data: null }],
    ["a message that is no text", "notification:new", { ...notification, message: { html: "<b>" } }],
    ["no id", "notification:removed", {}],
  ])("with %s is dropped", (_what, name, payload) => {
    expect(readEvent(name, payload)).toBeNull();
  });

  it("knows when the server sent it, except a removal", () => {
    const time = (name: string, payload: object) =>
      timeOf(readEvent(name, payload) as NonNullable<ReturnType<typeof readEvent>>);
    expect(time("post:liked", liked)).toBe(at);
    expect(time("notification:new", notification)).toBe(at);
    expect(time("notification:removed", { id: uuid(9) })).toBeNull();
  });

  it("is one of six", () => {
    expect(eventNames).toHaveLength(6);
  });
});
