// The calls to the server: what goes over the wire, and what becomes of every kind of answer.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@supabase/supabase-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { createApi, type LikesApi } from "../src/core/api.js";
import { createStore } from "../src/core/store.js";
import { LikesError } from "../src/index.js";
import { uuid } from "./fakes/server.js";

const content = { type: "post", id: uuid(1) } as const;
let http: Server;
let api: LikesApi;
let token: string | null;
let seen: { path: string; body: unknown; authorization: string | undefined }[];
let respond: (response: ServerResponse) => void;

beforeEach(async () => {
  seen = [];
  token = "the-token";
  http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString() || "null");
    seen.push({ path: request.url ?? "", body, authorization: request.headers.authorization });
    respond(response);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const transport = WebSocket as unknown as typeof globalThis.WebSocket;
  const supabase = createClient(url, "key", { realtime: { transport }, auth: { persistSession: false } });
  const session = {
    user: createStore(null),
    token: async () => token,
    renew: async () => undefined,
    close: () => undefined,
  };
  api = createApi({ supabase, session, likesUrl: `${url}/likes`, fetch, timeoutMs: 300 });
});

afterEach(async () => {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

async function failure(promise: Promise<unknown>): Promise<LikesError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LikesError);
  return error as LikesError;
}

const like = (intent: number | null = 5) => api.setLike({ content, liked: true, intent });
const answer = {
  liked: true,
  total_likes: 3,
  changed: true,
  version: 9,
  intent: 5,
  viewers: 2,
  author: { id: uuid(2) },
};

describe("a like", () => {
  it("goes to the function with the person's token and the intent (A1, A11)", async () => {
    respond = json(200, answer);
    expect(await like()).toEqual({ liked: true, total_likes: 3, version: 9, intent: 5, viewers: 2 });
    const body = { content_type: "post", content_id: uuid(1), liked: true, intent: 5 };
    expect(seen).toEqual([{ path: "/likes", body, authorization: "Bearer the-token" }]);
  });

  it("says no intent when the server's clock shall stand in", async () => {
    respond = json(200, answer);
    await like(null);
    expect(seen[0]?.body).toEqual({ content_type: "post", content_id: uuid(1), liked: true });
  });

  it("is not sent without a token", async () => {
    token = null;
    expect((await failure(like())).code).toBe("sign_in_required");
    expect(seen).toEqual([]);
  });

  it.each([
    [
      "its code",
      json(403, { code: "blocked", detail: "Not you.", title: "Blocked" }),
      { code: "blocked", message: "Not you." },
    ],
    [
      "its title where nothing more is said",
      json(404, { code: "content_not_found", title: "Not found" }),
      { message: "Not found" },
    ],
    ["the time to wait", json(429, { code: "rate_limited" }, { "retry-after": "7" }), { retryAfterMs: 7000 }],
    ["no time where none is said", json(503, { code: "database_unavailable" }), { retryAfterMs: null }],
    [
      "internal where a proxy answers",
      (r: ServerResponse) => void r.writeHead(502).end("<h1>Bad</h1>"),
      { code: "internal", fateUnknown: true },
    ],
    ["an unexpected answer", json(200, { liked: "yes" }), { code: "unexpected_answer", fateUnknown: true }],
    ["silence", () => undefined, { code: "unreachable", fateUnknown: true }],
    ["a cut connection", (r: ServerResponse) => void r.destroy(), { code: "unreachable" }],
    [
      "a broken body",
      (r: ServerResponse) => void r.writeHead(200, { "content-length": "50" }).write("{", () => r.destroy()),
      { code: "unreachable" },
    ],
  ])("that is refused tells %s", async (_what, how, expected) => {
    respond = how;
    expect(await failure(like())).toMatchObject(expected);
  });
});

describe("an RPC", () => {
  it("of the heartbeat names what is known, and never calls itself offline (A16)", async () => {
    respond = json(200, { items: [], heartbeat_ms: 12_000 });
    const known = { content, version: 4, viewers: 2, liked: true };
    expect(await api.syncViewing(uuid(9), [known], "offline")).toEqual({ items: [], heartbeat_ms: 12_000 });
    const items = [{ content_type: "post", content_id: uuid(1), version: 4, viewers: 2, liked: true }];
    expect(seen[0]).toMatchObject({
      path: "/rest/v1/rpc/sync_viewing",
      body: { viewer_id: uuid(9), items, connection: "polling" },
    });
    await api.syncViewing(uuid(9), [], "live");
    expect(seen[1]?.body).toMatchObject({ connection: "live" });
  });

  it("reads statuses one by one, and drops the one that makes no sense (B4)", async () => {
    const status = {
      content_type: "post",
      content_id: uuid(1),
      liked: null,
      intent: null,
      total_likes: 3,
      version: null,
      viewers: 1,
    };
    respond = json(200, [status, { ...status, total_likes: "many" }]);
    expect(await api.getStatus([content])).toEqual([{ ...status, liked: false, intent: 0, version: 0 }]);
    respond = json(200, { not: "a list" });
    expect((await failure(api.getStatus([content]))).code).toBe("unexpected_answer");
  });

  it("lists, marks and mutes", async () => {
    respond = json(200, { notifications: [], unread_count: 4, next_cursor: null, marked: 1, muted: true });
    expect(await api.getNotifications(null, 20)).toEqual({ notifications: [], unread_count: 4, next_cursor: null });
    expect(await api.markNotificationsRead([uuid(5)])).toBe(4);
    await api.muteContent(content, true);
    expect(seen.map(({ path }) => path.split("/").pop())).toEqual([
      "get_notifications",
      "mark_notifications_read",
      "mute_content",
    ]);
    expect(seen[2]?.body).toEqual({ content_type: "post", content_id: uuid(1), muted: true });
  });

  it.each([
    [
      "our own code",
      json(404, { code: "PT404", message: "content_not_found", hint: "Look elsewhere." }),
      { code: "content_not_found", message: "Look elsewhere." },
    ],
    [
      "our own code without a hint",
      json(400, { code: "PT400", message: "too_many_items", hint: null }),
      { code: "too_many_items", message: "too_many_items" },
    ],
    [
      "PostgREST's code",
      json(401, { code: "PGRST301", message: "JWT expired" }),
      { code: "PGRST301", message: "JWT expired" },
    ],
    ["an unexpected answer", json(200, { notifications: 7 }), { code: "unexpected_answer" }],
    ["silence", () => undefined, { code: "unreachable" }],
  ])("that is refused tells %s", async (_what, how, expected) => {
    respond = how;
    expect(await failure(api.getNotifications(null, 20))).toMatchObject(expected);
  });
});
