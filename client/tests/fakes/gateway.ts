// The fake server behind the same doors as the real stack: auth, RPC, tables, the likes function, Realtime (V2, text frames) and the page.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import { type FakeServer, type FakeUser, Refusal, type SyncItem } from "./server.js";

export interface FakeGateway {
  readonly url: string;
  readonly key: string;
  /** Joins that arrived, with their configuration and token. */
  readonly joins: { topic: string; config: Record<string, unknown>; token: string | undefined }[];
  readonly leaves: string[];
  /** Topics whose joins are refused, with the reason. */
  readonly refusedTopics: Map<string, string>;
  /** Cuts every socket; new ones are refused until `reopen`. */
  cutRealtime(): void;
  reopenRealtime(): void;
  /** Sends a server-side phx_close for a topic. */
  closeTopic(topic: string): void;
  close(): Promise<void>;
}

const KEY = "sb_publishable_fake";
type Frame = [string | null, string | null, string, string, Record<string, unknown>];

export async function startGateway(fake: FakeServer, pageDir?: string, port = 0): Promise<FakeGateway> {
  const http = createServer((request, response) => void answer(fake, pageDir, request, response));
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  const realtime = startRealtime(http, fake);
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    url,
    key: KEY,
    ...realtime,
    async close() {
      realtime.cutRealtime();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export const tokenOf = (user: FakeUser): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ sub: user.id, role: "authenticated", exp: 4_000_000_000 })}.sig`;
};

function userIdOf(header: string | undefined): string | null {
  const payload = header?.replace(/^Bearer /, "").split(".")[1];
  return payload ? (JSON.parse(Buffer.from(payload, "base64url").toString()).sub as string) : null;
}

async function answer(
  fake: FakeServer,
  pageDir: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "*");
  response.setHeader("access-control-expose-headers", "retry-after");
  if (request.method === "OPTIONS") return response.writeHead(204).end();
  const body = await bodyOf(request);
  try {
    const result = await route(fake, pageDir, url, body, userIdOf(request.headers.authorization));
    if (result instanceof PageFile) return response.writeHead(200, { "content-type": result.type }).end(result.file);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(500, "internal");
    if (refusal.status === 0) return request.socket.destroy();
    const problem = {
      code: refusal.code,
      title: refusal.code,
      detail: `Refused: ${refusal.code}`,
      message: refusal.code,
    };
    response.writeHead(refusal.status, { "content-type": "application/problem+json", ...refusal.headers });
    response.end(JSON.stringify(problem));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text.startsWith("{") ? JSON.parse(text) : {};
}

type Body = Record<string, unknown>;

async function route(
  fake: FakeServer,
  pageDir: string | undefined,
  url: URL,
  body: Body,
  userId: string | null,
): Promise<object> {
  const path = url.pathname;
  if (path === "/local/config") return { url: `http://${url.host}`, publishable_key: KEY, users: fake.users };
  if (path === "/auth/v1/token") return session(fake, body);
  if (path === "/auth/v1/logout") return {};
  if (path.startsWith("/rest/v1/rpc/")) return rpc(fake, path.slice(13), body, userId);
  if (path === "/rest/v1/posts" || path === "/rest/v1/videos")
    return rows(fake, path.endsWith("posts") ? "post" : "video");
  if (path === "/functions/v1/likes") {
    if (!userId) throw new Refusal(401, "token_missing");
    return fake.like(userId, body as unknown as Parameters<FakeServer["like"]>[1]);
  }
  return page(pageDir, path);
}

function session(fake: FakeServer, body: Body): object {
  const user = fake.users.find(({ email, id }) => email === body.email || id === body.refresh_token);
  if (!user) throw new Refusal(400, "invalid_credentials");
  const profile = {
    id: user.id,
    aud: "authenticated",
    role: "authenticated",
    email: user.email,
    app_metadata: {},
    user_metadata: {},
  };
  return { access_token: tokenOf(user), token_type: "bearer", expires_in: 3600, refresh_token: user.id, user: profile };
}

function rpc(fake: FakeServer, name: string, body: Body, userId: string | null): object {
  const items = (body.items ?? []) as SyncItem[];
  if (name === "get_like_status") return fake.status(userId, items);
  if (name === "sync_viewing") return fake.sync(userId, String(body.viewer_id), items, String(body.connection));
  if (!userId) throw new Refusal(401, "token_missing");
  if (name === "get_notifications") return fake.list(userId, body.cursor as string | null, body.max as number);
  if (name === "mark_notifications_read") return fake.markRead(userId, body.ids as string[] | null);
  if (name === "mute_content") return { muted: body.muted };
  throw new Refusal(404, "not_found");
}

function rows(fake: FakeServer, type: string): object[] {
  return fake.contents
    .filter((content) => content.type === type)
    .map((content, index) => ({
      id: content.id,
      content: content.text,
      title: content.text,
      description: "A description of the video, long enough to fill a line or two of the card.",
      post_type: "text",
      image_url: null,
      thumbnail_url: null,
      duration: 83,
      status: "ready",
      likes_count: fake.counted(`${content.type}:${content.id}`).total_likes,
      created_at: new Date(Date.now() - (index + 1) * 3_700_000).toISOString(),
      author: fake.person(content.authorId),
    }));
}

class PageFile {
  constructor(
    readonly file: Buffer,
    readonly type: string,
  ) {}
}

async function page(pageDir: string | undefined, path: string): Promise<PageFile> {
  if (!pageDir) throw new Refusal(404, "not_found");
  const name = path === "/" ? "index.html" : path.slice(1);
  const types: Record<string, string> = { html: "text/html", css: "text/css", js: "text/javascript" };
  const type = types[name.split(".").pop() ?? ""] ?? "application/octet-stream";
  const file = await readFile(join(pageDir, name)).catch(() => Promise.reject(new Refusal(404, "not_found")));
  return new PageFile(file, type);
}

interface Seat {
  readonly socket: WebSocket;
  readonly topic: string;
  readonly joinRef: string | null;
}

function startRealtime(http: Server, fake: FakeServer) {
  const sockets = new WebSocketServer({ server: http, path: "/realtime/v1/websocket", verifyClient: () => open });
  let open = true;
  let seats: Seat[] = [];
  const joins: FakeGateway["joins"] = [];
  const leaves: string[] = [];
  const refusedTopics = new Map<string, string>();
  const push = (socket: WebSocket, frame: Frame) => socket.send(JSON.stringify(frame));

  function join(socket: WebSocket, [joinRef, ref, topic, , payload]: Frame): void {
    const name = topic.replace("realtime:", "");
    const config = payload.config as Record<string, unknown>;
    joins.push({ topic: name, config, token: payload.access_token as string | undefined });
    const reason = refusedTopics.get(name);
    if (reason) return push(socket, [joinRef, ref, topic, "phx_reply", { status: "error", response: { reason } }]);
    seats.push({ socket, topic: name, joinRef });
    push(socket, [joinRef, ref, topic, "phx_reply", { status: "ok", response: { postgres_changes: [] } }]);
    const replay = (config.broadcast as { replay?: { since: number } }).replay;
    for (const sent of replay ? fake.sent.filter(({ topic, at }) => topic === name && at >= replay.since) : []) {
      const meta = { id: sent.payload.id, replayed: true };
      push(socket, [joinRef, null, topic, "broadcast", { ...sent, type: "broadcast", meta }]);
    }
  }

  function receive(socket: WebSocket, frame: Frame): void {
    const [joinRef, ref, topic, event] = frame;
    if (event === "phx_join") return join(socket, frame);
    const ok = { status: "ok", response: {} };
    if (event === "heartbeat") return push(socket, [null, ref, topic, "phx_reply", ok]);
    if (event !== "phx_leave") return;
    leaves.push(topic.replace("realtime:", ""));
    seats = seats.filter((seat) => seat.socket !== socket || `realtime:${seat.topic}` !== topic);
    push(socket, [joinRef, ref, topic, "phx_reply", ok]);
  }

  sockets.on("connection", (socket) => {
    socket.on("message", (data) => receive(socket, JSON.parse(String(data)) as Frame));
    socket.on("close", () => {
      seats = seats.filter((seat) => seat.socket !== socket);
    });
  });
  fake.onSend = ({ topic, event, payload }) => {
    const body = { type: "broadcast", event, payload, meta: { id: payload.id } };
    for (const seat of seats.filter((seat) => seat.topic === topic)) {
      push(seat.socket, [null, null, `realtime:${topic}`, "broadcast", body]);
    }
  };
  return {
    joins,
    leaves,
    refusedTopics,
    cutRealtime() {
      open = false;
      for (const socket of sockets.clients) socket.terminate();
    },
    reopenRealtime() {
      open = true;
    },
    closeTopic(topic: string) {
      for (const { socket, joinRef } of seats.filter((seat) => seat.topic === topic)) {
        push(socket, [joinRef, joinRef, `realtime:${topic}`, "phx_close", {}]);
      }
      seats = seats.filter((seat) => seat.topic !== topic);
    },
  };
}
