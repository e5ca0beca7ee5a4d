// One content's heart when the network, the server or a clock fails.
import { beforeEach, describe, expect, it } from "vitest";
import { type Content, createContent } from "../src/core/content.js";
import { LikesError } from "../src/core/errors.js";
import { readEvent } from "../src/core/events.js";
import type { LikesEvent } from "../src/index.js";
import { FakeDeps } from "./fakes/content-deps.js";
import { likeEvent, uuid } from "./fakes/server.js";

const ref = { type: "post", id: uuid(1) } as const;
const me = uuid(7);
let deps: FakeDeps;
let content: Content;

beforeEach(() => {
  deps = new FakeDeps();
  content = createContent(ref, deps);
  content.applyStatus({ ...wireStatus, total_likes: 10, version: 50 });
});

const wireStatus = {
  content_type: "post",
  content_id: ref.id,
  liked: false,
  intent: 0,
  total_likes: 0,
  version: 0,
  viewers: 3,
  viewer_names: null,
} as const;

function event(version: number, total: number, part: Partial<Parameters<typeof likeEvent>[1]> = {}): LikesEvent {
  const facts = { version, total, liked: true, at: deps.clock.now(), liker: null, ...part };
  return readEvent("post:liked", likeEvent(ref, facts)) as LikesEvent;
}

const heart = () => {
  const { liked, total, pending } = content.get();
  return [liked, total, pending];
};

describe("without an answer", () => {
  it("the same intent is tried once more, then taken back, when the server is there otherwise", async () => {
    content.like();
    await deps.fail("network");
    expect(heart()).toEqual([true, 11, true]);
    await deps.clock.advance(400);
    expect(deps.requests.map(({ command }) => command.intent)).toEqual([
      deps.clock.now() - 400,
      deps.clock.now() - 400,
    ]);
    await deps.fail("network");
    expect(heart()).toEqual([false, 10, false]);
    expect(content.get().failure?.code).toBe("unreachable");
    expect(deps.calls).toEqual(["probe", "probe", "refresh", "dropped true unreachable"]);
  });

  it("an event of the lost request's own like does not count it twice while it is tried again (B2)", async () => {
    content.like();
    content.applyEvent(event(51, 11, { liker: { id: me, username: "me" } }));
    await deps.fail("network");
    await deps.clock.advance(400);
    expect(heart()).toEqual([true, 11, true]);
    await deps.accept(11, 51);
    expect(heart()).toEqual([true, 11, false]);
  });

  it("and without any server the wish is kept for later", async () => {
    deps.serverThere = false;
    content.like();
    await deps.fail("network");
    expect(content.get()).toMatchObject({ liked: true, total: 11, pending: true, waitingFor: "network" });
    expect(content.stranded?.liked).toBe(true);
    expect(deps.calls).toEqual(["probe", "park true"]);
  });

  it("because it is offline, nothing is sent until it is resumed (B3)", async () => {
    deps.isOffline = true;
    content.like();
    expect(deps.requests).toHaveLength(0);
    expect(deps.calls).toEqual(["park true"]);
    deps.isOffline = false;
    const wish = content.stranded;
    const resumed = content.resume(wish as NonNullable<typeof wish>);
    await deps.accept(11, 51);
    await resumed;
    expect(content.get()).toMatchObject({ liked: true, total: 11, pending: false, waitingFor: null });
  });

  it("a tap offline that takes the waiting one back leaves nothing to send", () => {
    deps.isOffline = true;
    content.like();
    content.unlike();
    expect(heart()).toEqual([false, 10, false]);
    expect(deps.calls).toEqual(["park true", "dropped false taken back"]);
  });

  it("a busy database is given one more chance, after the time it asks for", async () => {
    content.like();
    await deps.fail(new LikesError("database_unavailable", "busy", 2000));
    await deps.clock.advance(2000);
    expect(deps.requests).toHaveLength(2);
    await deps.fail(new LikesError("database_unavailable", "busy", 2000));
    expect(content.get()).toMatchObject({ liked: false, pending: false, failure: { code: "database_unavailable" } });
  });

  it("an expired token is renewed and the tap repeated", async () => {
    content.like();
    await deps.fail(new LikesError("token_expired", "expired"));
    expect(deps.calls).toEqual(["renew"]);
    expect(deps.requests).toHaveLength(2);
    await deps.accept(11, 51);
    expect(heart()).toEqual([true, 11, false]);
  });

  it("a renewal that fails ends in the rollback", async () => {
    deps.renewToken = () => Promise.reject(new Error("no refresh token"));
    content.like();
    await deps.fail(new LikesError("token_expired", "expired"));
    await deps.fail(new LikesError("token_expired", "expired"));
    expect(content.get().failure?.code).toBe("token_expired");
  });
});

describe("clocks that differ (A11)", () => {
  it("a fast clock of ours is put right by the server's", async () => {
    content.like();
    await deps.fail(new LikesError("intent_in_future", "your clock is wrong"));
    expect(deps.lastCommand?.intent).toBeNull();
    const serverNow = deps.clock.now() - 3_600_000;
    await deps.accept(11, 51, { intent: serverNow });
    expect(heart()).toEqual([true, 11, false]);
    await deps.clock.advance(2000);
    content.unlike();
    expect(deps.lastCommand?.intent).toBe(serverNow + 2000);
  });

  it("refused even then, the tap is taken back", async () => {
    content.like();
    await deps.fail(new LikesError("intent_in_future", "your clock is wrong"));
    await deps.fail(new LikesError("intent_in_future", "your clock is wrong"));
    expect(content.get()).toMatchObject({ liked: false, failure: { code: "intent_in_future" } });
  });

  it("a device with a faster clock does not outrank a tap of just now", async () => {
    content.like();
    const theirs = deps.clock.now() + 3000;
    await deps.accept(10, 55, { liked: false, intent: theirs });
    expect(heart()).toEqual([true, 11, true]);
    expect(deps.lastCommand).toMatchObject({ liked: true, intent: theirs + 1 });
    await deps.accept(11, 56);
    expect(heart()).toEqual([true, 11, false]);
  });

  it("a wish that waited long gives way to what was done since", async () => {
    deps.isOffline = true;
    content.like();
    await deps.clock.advance(60_000);
    const resumed = content.resume(content.stranded as NonNullable<Content["stranded"]>);
    await deps.accept(10, 55, { liked: false, intent: deps.clock.now() });
    await resumed;
    expect(heart()).toEqual([false, 10, false]);
    expect(deps.requests).toHaveLength(1);
  });

  it("two devices that keep overruling each other are not fought for ever", async () => {
    content.like();
    for (let round = 1; round <= 3; round++)
      await deps.accept(10, 50 + round, { liked: false, intent: deps.clock.now() + round * 100 });
    expect(heart()).toEqual([false, 10, false]);
    expect(deps.requests).toHaveLength(3);
  });
});
