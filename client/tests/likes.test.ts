// The whole client over real HTTP and WebSocket, with the real supabase-js, on whatever Node runs the tests (20 and newer).
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStore } from "../src/core/store.js";
import type { LikesEvent, LikesOptions } from "../src/index.js";
import { FakeBrowser } from "./fakes/browser.js";
import { eventually, type FakeClient, FakeEnvironment, startClient } from "./fakes/client.js";
import { type FakeGateway, startGateway, tokenOf } from "./fakes/gateway.js";
import { FakeServer, type FakeUser, likeEvent, Refusal, uuid } from "./fakes/server.js";

const [author, ada, bob] = ["author", "ada", "bob"].map((username, index) => ({
  id: uuid(index + 1),
  email: `${username}@example.com`,
  username,
  password: "password",
})) as [FakeUser, FakeUser, FakeUser];
const post = { type: "post" as const, id: uuid(100), authorId: author.id, text: "hello" };
const ref = { type: post.type, id: post.id };
const topic = `content:post:${post.id}`;

let server: FakeServer;
let gateway: FakeGateway;
let clients: FakeClient[];

beforeEach(async () => {
  server = new FakeServer([author, ada, bob], [post]);
  server.startWith(post, 10);
  server.heartbeatMs = 1000;
  gateway = await startGateway(server);
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await gateway.close();
});

async function client(user?: FakeUser, options?: Partial<LikesOptions>): Promise<FakeClient> {
  const started = startClient(gateway, options);
  clients.push(started);
  if (user) await started.signIn(user);
  return started;
}

/** A client that has the post on its screen and is in its room. */
async function watching(user?: FakeUser, options?: Partial<LikesOptions>): Promise<FakeClient> {
  const before = gateway.joins.filter((join) => join.topic === topic).length;
  const started = await client(user, options);
  started.likes.content(ref).watch();
  await eventually(() => {
    expect(gateway.joins.filter((join) => join.topic === topic).length).toBeGreaterThan(before);
    expect(started.likes.connection.get()).toBe("live");
    expect(started.likes.content(ref).get().total).toBe(server.counted(`post:${post.id}`).total_likes);
  });
  return started;
}

const heart = ({ likes }: FakeClient) => likes.content(ref).get();
const tokens = (name: string) => gateway.joins.filter((join) => join.topic === name).map(({ token }) => token);

describe("two people", () => {
  it("a tap of one moves the count of the other, and the author is told (A5, B2)", async () => {
    server.heartbeatMs = 60_000; // lest a heartbeat brings the count before its event does
    // One after the other: each waits for one more in the room, which has to be itself.
    const one = await watching(ada);
    const two = await watching(bob);
    const theAuthor = await client(author);
    await eventually(() => expect(tokens(`user:${author.id}`)).toEqual([tokenOf(author)]));
    const arrived: string[] = [];
    theAuthor.likes.notifications.arrivals.subscribe(({ message }) => arrived.push(message));
    one.likes.content(ref).like();
    expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: true });
    await eventually(() => expect(heart(two)).toMatchObject({ liked: false, total: 11 }));
    expect(heart(two).latest?.liker?.username).toBe("ada");
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: false }));
    await eventually(() => expect(arrived).toEqual(["ada liked your post"]));
    expect(theAuthor.likes.notifications.get().unread).toBe(1);
  });

  it("join private channels with their own tokens (A2)", async () => {
    await watching(ada);
    expect(tokens(topic)).toEqual([tokenOf(ada)]);
    expect(tokens(`user:${ada.id}`)).toEqual([tokenOf(ada)]);
    expect(gateway.joins.every(({ config }) => config.private === true)).toBe(true);
  });

  it("an event on two channels is told once (A18)", async () => {
    const theAuthor = await watching(author);
    const told: LikesEvent[] = [];
    theAuthor.likes.events.subscribe((event) => told.push(event));
    const other = await watching(ada);
    other.likes.content(ref).like();
    await eventually(() => expect(server.sent.filter(({ event }) => event === "post:liked")).toHaveLength(2));
    await eventually(() => expect(theAuthor.likes.notifications.get().unread).toBe(1));
    expect(told).toHaveLength(1);
  });
});

describe("a visitor", () => {
  it("sees counts and live changes, and is asked to sign in when tapping", async () => {
    const visitor = await watching();
    const other = await watching(ada);
    other.likes.content(ref).like();
    await eventually(() => expect(heart(visitor).total).toBe(11));
    visitor.likes.content(ref).toggle();
    expect(heart(visitor)).toMatchObject({ liked: false, total: 11, failure: { code: "sign_in_required" } });
    expect(server.commands).toHaveLength(1);
  });
});

describe("realtime away (A13, B3)", () => {
  it("polls, heals by the heartbeat, and comes back live asking for replay", async () => {
    const one = await watching(ada);
    const liker = likeEvent(ref, { version: 500, total: 12, liked: true, at: Date.now(), liker: null });
    server.announced.set(`post:${post.id}`, { total: 12, version: 500 });
    server.send(topic, "post:liked", liker);
    await eventually(() => expect(heart(one).total).toBe(12));
    gateway.cutRealtime();
    await eventually(() => expect(one.likes.connection.get()).toBe("polling"));
    server.startWith(post, 42);
    server.announced.set(`post:${post.id}`, { total: 42, version: 501 });
    await eventually(() => expect(heart(one).total).toBe(42));
    expect(server.beats.at(-1)?.connection).toBe("polling");
    gateway.reopenRealtime();
    await eventually(() => expect(one.likes.connection.get()).toBe("live"), 15_000);
    const rejoin = gateway.joins.findLast((join) => join.topic === topic);
    expect(rejoin?.config.broadcast).toMatchObject({ replay: { since: Date.parse(liker.occurredAt as string) } });
  }, 25_000);

  it("replays what was missed, once (A18)", async () => {
    server.heartbeatMs = 60_000;
    const one = await watching(ada);
    const told: number[] = [];
    one.likes.events.subscribe(({ version }) => told.push(version));
    const send = (version: number, total: number) =>
      server.send(topic, "post:liked", likeEvent(ref, { version, total, liked: true, at: Date.now(), liker: null }));
    send(500, 12);
    await eventually(() => expect(told).toEqual([500]));
    gateway.cutRealtime();
    send(501, 13);
    gateway.reopenRealtime();
    await eventually(() => expect(told).toEqual([500, 501]), 15_000);
    expect(heart(one).total).toBe(13);
  }, 25_000);

  it("joins again where the server closed a channel", async () => {
    const one = await watching(ada);
    gateway.closeTopic(topic);
    await eventually(() => expect(tokens(topic)).toHaveLength(2));
    await eventually(() => expect(one.likes.connection.get()).toBe("live"));
  });

  it("does not keep knocking where it is refused", async () => {
    gateway.refusedTopics.set(topic, "Unauthorized: You do not have permissions to read from this Channel topic");
    const one = await client(ada);
    one.likes.content(ref).watch();
    await eventually(() => expect(tokens(topic)).toHaveLength(1));
    // realtime-js alone would have tried again after one and three seconds.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(tokens(topic)).toHaveLength(1);
    expect(one.likes.connection.get()).toBe("live");
    expect(heart(one).total).toBe(10);
  });

  it("can be switched off and on; notifications then come by the heartbeat", async () => {
    const theAuthor = await watching(author);
    theAuthor.likes.connection.setRealtime(false);
    expect(theAuthor.likes.connection.get()).toBe("polling");
    await eventually(() => expect(gateway.leaves).toContain(topic));
    server.like(ada.id, { content_type: "post", content_id: post.id, liked: true, intent: 1 });
    await eventually(() => expect(heart(theAuthor).total).toBe(11));
    await eventually(() => expect(theAuthor.likes.notifications.get().unread).toBe(1));
    theAuthor.likes.connection.setRealtime(true);
    await eventually(() => expect(theAuthor.likes.connection.get()).toBe("live"));
  });
});

describe("offline (B3)", () => {
  it("keeps a tap and sends it once when the network is back", async () => {
    const one = await watching(ada);
    one.environment.setOnline(false);
    expect(one.likes.connection.get()).toBe("offline");
    one.likes.content(ref).like();
    expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: true, waitingFor: "network" });
    expect(server.commands).toHaveLength(0);
    one.environment.setOnline(true);
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: false }));
    expect(server.commands).toHaveLength(1);
    await eventually(() => expect(one.likes.connection.get()).toBe("live"));
  });

  it("sends what an earlier visit could not", async () => {
    const browser = new FakeBrowser();
    const first = await watching(ada, { environment: new FakeEnvironment(browser) });
    first.environment.setOnline(false);
    first.likes.content(ref).like();
    await first.close();
    await client(ada, { environment: new FakeEnvironment(browser) });
    await eventually(() => expect(server.commands).toHaveLength(1));
  });

  it("finds out by itself when nothing answers", async () => {
    const one = await watching(ada);
    const url = gateway.url;
    await gateway.close();
    one.likes.content(ref).like();
    await eventually(() => expect(one.likes.connection.get()).toBe("offline"));
    expect(heart(one)).toMatchObject({ liked: true, pending: true, waitingFor: "network" });
    gateway = await startGateway(server, undefined, Number(new URL(url).port));
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: false }), 12_000);
    expect(server.commands).toHaveLength(1);
  }, 20_000);
});

describe("failures", () => {
  it("roll back with the reason (B2)", async () => {
    const one = await watching(ada);
    server.refuse = [new Refusal(403, "blocked")];
    one.likes.content(ref).like();
    await eventually(() => expect(heart(one)).toMatchObject({ liked: false, total: 10, failure: { code: "blocked" } }));
  });

  it("ask what holds when nobody knows", async () => {
    const one = await watching(ada);
    server.refuse = [new Refusal(500, "internal")];
    one.likes.content(ref).like();
    await eventually(() => expect(heart(one).failure?.code).toBe("internal"));
    // Done all the same, and announced on no channel of ours.
    server.likes.set(`post:${post.id}`, new Map([[ada.id, { liked: true, intent: Date.now() }]]));
    await eventually(() => expect(heart(one).liked).toBe(true));
  });
});

describe("the same person elsewhere", () => {
  it("liking on another device fills the heart here", async () => {
    server.heartbeatMs = 60_000;
    const one = await watching(ada);
    const elsewhere = await client(ada);
    await eventually(() => expect(elsewhere.likes.user.get()).toBe(ada.id));
    elsewhere.likes.content(ref).like();
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, total: 11, pending: false }));
  });
});

describe("a session from elsewhere", () => {
  it("can stand in for Supabase Auth", async () => {
    const user = createStore<string | null | undefined>(undefined);
    const session = { user, token: async () => tokenOf(bob), renew: async () => undefined, close: () => undefined };
    const one = await client(undefined, { session });
    user.set(bob.id);
    await eventually(() => expect(tokens(`user:${bob.id}`)).toHaveLength(1));
    one.likes.content(ref).like();
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, pending: false }));
    expect(server.commands).toMatchObject([{ userId: bob.id }]);
  });
});

describe("somebody else signs in", () => {
  it("all channels are left and joined anew, and nothing of the first is left", async () => {
    const one = await watching(ada);
    one.likes.content(ref).like();
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, pending: false }));
    await one.signIn(bob);
    await eventually(() => expect(tokens(topic)).toEqual([tokenOf(ada), tokenOf(bob)]));
    expect(gateway.leaves).toEqual(expect.arrayContaining([topic, `user:${ada.id}`]));
    await eventually(() => expect(heart(one)).toMatchObject({ liked: false, total: 11 }));
    await one.supabase.auth.signOut({ scope: "local" });
    await eventually(() => expect(one.likes.user.get()).toBeNull());
    await eventually(() => expect(gateway.leaves).toContain(`user:${bob.id}`));
    expect(one.likes.notifications.get().items).toEqual([]);
  });
});

describe("a tab that nobody sees (A15)", () => {
  it("says goodbye and leaves its rooms, keeps the own channel, and comes back", async () => {
    const one = await watching(ada);
    await eventually(() => expect(server.viewers.size).toBe(1));
    await eventually(() => expect(heart(one).viewerNames).toMatchObject([{ username: "ada" }]));
    one.environment.setVisible(false);
    await eventually(() => expect(server.viewers.size).toBe(0));
    await eventually(() => expect(gateway.leaves).toEqual([topic]));
    one.environment.setVisible(true);
    await eventually(() => expect(tokens(topic)).toHaveLength(2));
    await eventually(() => expect(server.viewers.size).toBe(1));
    expect(tokens(`user:${ada.id}`)).toHaveLength(1);
  });

  it("sends before it goes what waits for quiet", async () => {
    const one = await watching(ada);
    one.likes.content(ref).like();
    await eventually(() => expect(heart(one)).toMatchObject({ liked: true, pending: false }));
    one.likes.content(ref).unlike();
    one.environment.leave();
    await eventually(() => expect(server.commands).toHaveLength(2), 500);
  });
});

describe("what is on the screen", () => {
  it("is watched as long as anybody says so", async () => {
    const one = await watching(ada);
    const stop = one.likes.content(ref).watch();
    stop();
    stop();
    expect(gateway.leaves).toEqual([]);
    const other = await client(bob);
    other.likes.content(ref).watch()();
    await eventually(() => expect(server.beats.some(({ user }) => user === bob.id)).toBe(true));
    expect(tokens(topic)).toHaveLength(1);
  });

  it("is loaded a hundred at a time", async () => {
    const one = await client(ada);
    const many = Array.from({ length: 130 }, (_, n) => ({ type: "post" as const, id: uuid(1000 + n) }));
    await one.likes.load([...many, ref]);
    expect(heart(one).total).toBe(10);
  });
});
