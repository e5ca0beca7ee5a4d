// Every call to the server: likes by POST to the likes function, everything else by RPC through supabase-js. Answers are validated;
// whatever goes wrong is a LikesError with the server's code.
import type { SupabaseClient } from "@supabase/supabase-js";
import type * as v from "valibot";
import { LikesError, unreachable } from "./errors.js";
import { postJson } from "./http.js";
import type { Session } from "./session.js";
import type { ConnectionState, ContentRef } from "./types.js";
import {
  fitting,
  type LikeAnswer,
  likeAnswerShape,
  type NotificationPage,
  notificationPageShape,
  readAnswerShape,
  type Status,
  type SyncAnswer,
  statusShape,
  syncAnswerShape,
} from "./wire.js";

export interface LikeCommand {
  readonly content: ContentRef;
  readonly liked: boolean;
  /** Null lets the server's clock stand in. */
  readonly intent: number | null;
}

/** One content on the screen, with what the client knows of it; null: nothing yet. */
export interface Seen {
  readonly content: ContentRef;
  readonly version: number | null;
  readonly viewers: number | null;
  readonly liked: boolean | null;
}

export interface LikesApi {
  setLike(command: LikeCommand): Promise<LikeAnswer>;
  /** 100 contents at most. */
  getStatus(contents: readonly ContentRef[]): Promise<Status[]>;
  syncViewing(viewerId: string, seen: readonly Seen[], connection: ConnectionState): Promise<SyncAnswer>;
  getNotifications(cursor: string | null, max: number): Promise<NotificationPage>;
  /** Null marks all. Answers how many are unread afterwards. */
  markNotificationsRead(ids: readonly string[] | null): Promise<number>;
  muteContent(content: ContentRef, muted: boolean): Promise<void>;
}

export interface ApiOptions {
  readonly supabase: SupabaseClient;
  readonly session: Session;
  readonly likesUrl: string;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

const wireRef = (content: ContentRef) => ({ content_type: content.type, content_id: content.id });

export function createApi(options: ApiOptions): LikesApi {
  const rpc = <T extends v.GenericSchema>(shape: T, name: string, args: object) => callRpc(options, shape, name, args);
  return {
    setLike: (command) => setLike(options, command),
    async getStatus(contents) {
      const rows = await callRpc(options, null, "get_like_status", { items: contents.map(wireRef) });
      if (!Array.isArray(rows)) throw unexpected("get_like_status");
      return rows.map((row) => fitting(statusShape, row)).filter((row) => row !== null);
    },
    syncViewing(viewerId, seen, connection) {
      const items = seen.map(({ content, ...known }) => ({ ...wireRef(content), ...known }));
      return rpc(syncAnswerShape, "sync_viewing", {
        viewer_id: viewerId,
        items,
        // A call that arrives was not offline.
        connection: connection === "live" ? "live" : "polling",
      });
    },
    getNotifications: (cursor, max) => rpc(notificationPageShape, "get_notifications", { cursor, max }),
    async markNotificationsRead(ids) {
      return (await rpc(readAnswerShape, "mark_notifications_read", { ids })).unread_count;
    },
    async muteContent(content, muted) {
      await callRpc(options, null, "mute_content", { ...wireRef(content), muted });
    },
  };
}

async function setLike(options: ApiOptions, command: LikeCommand): Promise<LikeAnswer> {
  const token = await options.session.token();
  if (!token) throw new LikesError("sign_in_required", "Sign in to like.");
  const body = {
    ...wireRef(command.content),
    liked: command.liked,
    ...(command.intent === null ? {} : { intent: command.intent }),
  };
  const answer = fitting(likeAnswerShape, await postJson(options, options.likesUrl, token, body));
  if (!answer) throw unexpected("likes");
  return answer;
}

async function callRpc<T extends v.GenericSchema>(
  options: ApiOptions,
  shape: T | null,
  name: string,
  args: object,
): Promise<v.InferOutput<T>> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const { data, error, status } = await options.supabase.rpc(name, args).abortSignal(signal);
  if (error) throw status === 0 ? unreachable(error) : refusal(error);
  const answer = shape ? fitting(shape, data) : data;
  if (answer === null && shape) throw unexpected(name);
  return answer;
}

/** Our own SQL refuses with SQLSTATE PTnnn and the code as message (docs/contracts.md); others keep PostgREST's code. */
function refusal(error: { code: string; message: string; hint: string }): LikesError {
  const ours = /^PT\d{3}$/.test(error.code) || /^[a-z_]+$/.test(error.message);
  return ours ? new LikesError(error.message, error.hint || error.message) : new LikesError(error.code, error.message);
}

function unexpected(name: string): LikesError {
  return new LikesError("unexpected_answer", `The answer of ${name} has an unexpected shape.`);
}
