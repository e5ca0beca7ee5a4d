// One content's heart: taps, answers, events, failures.
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

describe("a tap", () => {
  it("shows at once, goes at once, and is confirmed by the answer (B2)", async () => {
    content.like();
    expect(heart()).toEqual([true, 11, true]);
    expect(deps.lastCommand).toEqual({ content: ref, liked: true, intent: deps.clock.now() });
    await deps.accept(11, 51);
    expect(heart()).toEqual([true, 11, false]);
    expect(deps.calls).toEqual(["settled true"]);
  });

  it("is refused without a sign-in, and sends nothing", () => {
    deps.user = false;
    content.like();
    expect(heart()).toEqual([false, 10, false]);
    expect(content.get().failure?.code).toBe("sign_in_required");
    expect(deps.requests).toHaveLength(0);
  });

  it("tells every tap without a sign-in anew", () => {
    deps.user = false;
    content.like();
    const first = content.get().failure;
    content.like();
    expect(content.get().failure).not.toBe(first);
  });

  it("on a content that nobody has told of yet shows the heart and leaves the count open", async () => {
    const fresh = createContent({ type: "video", id: uuid(2) }, deps);
    fresh.toggle();
    expect(fresh.get()).toMatchObject({ liked: true, total: null, pending: true });
    await deps.accept(4, 9);
    expect(fresh.get()).toMatchObject({ liked: true, total: 4, pending: false });
  });

  it("that unlikes a count of zero never shows less than zero", () => {
    content.applyStatus({ ...wireStatus, liked: true, intent: 5, total_likes: 0, version: 60 });
    content.unlike();
    expect(heart()).toEqual([false, 0, true]);
  });
});

describe("rapid taps", () => {
  it("send the first at once and the last wish after a second of quiet (A9)", async () => {
    content.toggle();
    await deps.accept(11, 51);
    for (let tap = 0; tap < 5; tap++) {
      await deps.clock.advance(200);
      content.toggle();
    }
    expect(heart()).toEqual([false, 10, true]);
    await deps.clock.advance(999);
    expect(deps.requests).toHaveLength(1);
    await deps.clock.advance(1);
    expect(deps.requests).toHaveLength(2);
    expect(deps.lastCommand?.liked).toBe(false);
  });

  it("that end where they began send nothing more", async () => {
    content.toggle();
    await deps.accept(11, 51);
    content.toggle();
    content.toggle();
    expect(heart()).toEqual([true, 11, false]);
    await deps.clock.advance(5000);
    expect(deps.requests).toHaveLength(1);
  });

  it("keep one request under way, and follow it with the last wish", async () => {
    content.toggle();
    await deps.clock.advance(300);
    content.toggle();
    await deps.clock.advance(5000);
    expect(deps.requests).toHaveLength(1);
    expect(heart()).toEqual([false, 10, true]);
    await deps.accept(11, 51);
    expect(heart()).toEqual([false, 10, true]);
    expect(deps.requests).toHaveLength(2);
    await deps.accept(10, 52);
    expect(heart()).toEqual([false, 10, false]);
  });

  it("give every tap a larger intent, within one millisecond too (A11)", async () => {
    content.toggle();
    content.toggle();
    await deps.accept(11, 51);
    await deps.clock.advance(1000);
    const [first, second] = deps.requests.map(({ command }) => command.intent as number);
    expect(second).toBeGreaterThan(first as number);
  });

  it("go out before the page does", async () => {
    content.toggle();
    await deps.accept(11, 51);
    content.toggle();
    content.flush();
    expect(deps.lastCommand?.liked).toBe(false);
  });
});

describe("events", () => {
  it("with an older version change nothing, whatever they say (A4)", () => {
    expect(content.applyEvent(event(52, 30))).toBe(true);
    expect(content.applyEvent(event(51, 29))).toBe(false);
    expect(content.get().total).toBe(30);
  });

  it("while a tap is under way do not count it twice (B2)", async () => {
    content.like();
    // This person's own like, announced before the answer has come.
    content.applyEvent(event(51, 11, { liker: { id: me, username: "me" } }));
    expect(heart()).toEqual([true, 11, true]);
    content.applyEvent(event(52, 12));
    expect(heart()).toEqual([true, 11, true]);
    await deps.accept(11, 51);
    expect(heart()).toEqual([true, 12, false]);
  });

  it("arriving twice are told once, and the richer copy is kept (A18)", () => {
    const anonymous = event(51, 11);
    const named = event(51, 11, { liker: { id: uuid(3), username: "ada" } });
    expect(content.applyEvent(anonymous)).toBe(true);
    expect(content.applyEvent(named)).toBe(false);
    expect(content.get().latest?.liker?.username).toBe("ada");
    expect(content.applyEvent(anonymous)).toBe(false);
    expect(content.get().latest?.liker?.username).toBe("ada");
  });

  it("change the number of viewers, but old ones do not", () => {
    content.applyEvent({ ...event(60, 11), viewers: 8 });
    content.applyEvent({ ...event(40, 9), viewers: 2 });
    expect(content.get().viewers).toBe(8);
  });

  it("about this person that contradict what is known are noticed; expected ones are not", async () => {
    const mine = event(51, 11, { liker: { id: me, username: "me" } });
    expect(content.contradicts(mine, me)).toBe(true);
    expect(content.contradicts(mine, uuid(8))).toBe(false);
    const batch = { ...event(52, 12), likerIds: [uuid(3), me] };
    expect([content.contradicts(batch, me), content.contradicts(batch, uuid(8))]).toEqual([true, false]);
    const unliked = event(53, 9, { liked: false, liker: { id: me, username: "me" } });
    expect(content.contradicts(unliked, me)).toBe(false);
    content.like();
    expect(content.contradicts(mine, me)).toBe(false);
    await deps.accept(11, 51);
    expect(content.contradicts(mine, me)).toBe(false);
  });
});

describe("a refused tap", () => {
  it("is rolled back with the reason, to the count that holds by then (B2)", async () => {
    content.like();
    content.applyEvent(event(51, 14));
    await deps.fail(new LikesError("blocked", "The author has blocked you."));
    expect(heart()).toEqual([false, 14, false]);
    expect(content.get().failure).toEqual({ code: "blocked", message: "The author has blocked you." });
    expect(deps.calls).toEqual(["dropped true blocked"]);
  });

  it("forgets the reason at the next tap", async () => {
    content.like();
    await deps.fail(new LikesError("blocked", "no"));
    content.like();
    expect(content.get().failure).toBeNull();
  });

  it("whose fate is unknown makes the client ask what holds", async () => {
    content.like();
    await deps.fail(new LikesError("internal", "oops"));
    expect(heart()).toEqual([false, 10, false]);
    expect(deps.calls).toContain("refresh");
  });

  it("that was followed by another wish leaves that wish standing", async () => {
    content.like();
    content.unlike();
    content.like();
    await deps.fail(new LikesError("internal", "oops"));
    expect(heart()).toEqual([true, 11, true]);
    await deps.clock.advance(1000);
    expect(deps.requests).toHaveLength(2);
    await deps.accept(11, 53);
    expect(heart()).toEqual([true, 11, false]);
  });
});

describe("too many likes", () => {
  it("wait as long as the server asks, then send the last wish (C5)", async () => {
    content.like();
    await deps.fail(new LikesError("rate_limited", "slow down", 3000));
    expect(heart()).toEqual([true, 11, true]);
    expect(content.get().waitingFor).toBe("rate_limit");
    await deps.clock.advance(2999);
    expect(deps.requests).toHaveLength(1);
    await deps.clock.advance(1);
    expect(deps.requests).toHaveLength(2);
    await deps.accept(11, 51);
    expect(content.get()).toMatchObject({ liked: true, pending: false, waitingFor: null });
  });

  it("wait five seconds when the server does not say, and taps meanwhile do not jump the queue", async () => {
    content.like();
    await deps.fail(new LikesError("rate_limited", "slow down"));
    await deps.clock.advance(2000);
    content.unlike();
    expect(heart()).toEqual([false, 10, false]);
    content.like();
    await deps.clock.advance(2900);
    content.flush();
    expect(deps.requests).toHaveLength(1);
    await deps.clock.advance(100);
    expect(deps.requests).toHaveLength(2);
  });
});

describe("another tab (B3)", () => {
  it("settles a like here too", () => {
    content.settledElsewhere(true, 1000, 11, 51);
    expect(heart()).toEqual([true, 11, false]);
  });

  it("that sent our waiting wish ends the wait", () => {
    deps.isOffline = true;
    content.like();
    const { intent } = content.stranded as NonNullable<Content["stranded"]>;
    content.settledElsewhere(true, intent, 11, 51);
    expect(content.get()).toMatchObject({ liked: true, total: 11, pending: false, waitingFor: null });
  });

  it("does not end a newer wish of this one", () => {
    content.like();
    content.settledElsewhere(false, 1000, 10, 51);
    expect(heart()).toEqual([true, 11, true]);
  });

  it("shows here what waits there, unless something newer is known", () => {
    content.waitsElsewhere({ liked: true, intent: 2000, at: 2000 });
    expect(content.get()).toMatchObject({ liked: true, total: 11, pending: true, waitingFor: "network" });
    content.waitsElsewhere({ liked: false, intent: 1999, at: 1999 });
    expect(content.get().liked).toBe(true);
  });

  it("whose wish was refused takes it back here, with the reason", () => {
    content.waitsElsewhere({ liked: true, intent: 2000, at: 2000 });
    content.droppedElsewhere(1, null);
    expect(content.get().pending).toBe(true);
    content.droppedElsewhere(2000, { code: "blocked", message: "no" });
    expect(content.get()).toMatchObject({ liked: false, total: 10, pending: false, failure: { code: "blocked" } });
  });

  it("that already sent something newer makes a resumed wish pointless", async () => {
    content.settledElsewhere(true, 5000, 11, 51);
    await content.resume({ liked: false, intent: 4000, at: 4000 });
    expect(deps.requests).toHaveLength(0);
    expect(heart()).toEqual([true, 11, false]);
  });
});

describe("another person signs in", () => {
  it("and finds nothing of the one before, whose late answer is ignored", async () => {
    content.like();
    content.reset();
    expect(heart()).toEqual([false, null, false]);
    expect(content.seen).toEqual({ content: ref, version: null, viewers: null, liked: null });
    await deps.accept(11, 51);
    expect(heart()).toEqual([false, null, false]);
  });
});

it("tells the heartbeat what it knows", () => {
  expect(content.seen).toEqual({ content: ref, version: 50, viewers: 3, liked: false });
});

it("keeps the names of viewers until the heartbeat brings new ones, and asks for them when their number has changed", () => {
  const named = [{ id: uuid(3), username: "ada", displayName: null }];
  content.applyStatus({ ...wireStatus, viewers: 1, viewer_names: named });
  content.applyEvent({ ...event(60, 11), viewers: 2 });
  const { viewer_names: _unsaid, ...withoutNames } = wireStatus;
  content.applyStatus({ ...withoutNames, viewers: 2 });
  expect(content.get()).toMatchObject({ viewers: 2, viewerNames: named });
  expect(content.seen.viewers).toBe(1);
  content.applyStatus({ ...wireStatus, viewers: 80, viewer_names: null });
  expect(content.get()).toMatchObject({ viewers: 80, viewerNames: null });
});

it("is quiet when nothing that it shows has changed", () => {
  let calls = 0;
  const stop = content.subscribe(() => calls++);
  content.applyStatus({ ...wireStatus, total_likes: 10, version: 50 });
  content.applyStatus({ ...wireStatus, total_likes: 9, version: 40 });
  expect(calls).toBe(0);
  content.applyEvent(event(51, 11));
  expect(calls).toBe(1);
  stop();
  content.applyEvent(event(52, 12));
  expect(calls).toBe(1);
});
