// The shapes of everything that arrives: answers, events, messages of other tabs and what was stored. Nothing is used before it
// fits its shape here. Unknown fields are tolerated (the server may be newer); a wrong type drops the whole message.
import * as v from "valibot";

const uuid = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const time = v.pipe(
  v.string(),
  v.check((text) => !Number.isNaN(Date.parse(text))),
);
const contentType = v.picklist(["post", "video"]);
/** Zero and null both mean "none yet". */
const countOrNone = v.nullish(count, 0);

export const personShape = v.pipe(
  v.object({ id: uuid, username: v.string(), display_name: v.nullish(v.string(), null) }),
  v.transform(({ id, username, display_name }) => ({ id, username, displayName: display_name || null })),
);

export const likeAnswerShape = v.object({
  liked: v.boolean(),
  total_likes: count,
  version: countOrNone,
  intent: countOrNone,
  viewers: countOrNone,
});

export const statusShape = v.object({
  content_type: contentType,
  content_id: uuid,
  liked: v.nullish(v.boolean(), false),
  intent: countOrNone,
  total_likes: count,
  version: countOrNone,
  viewers: countOrNone,
  /** Only the heartbeat tells names; null: the room is too big for them. */
  viewer_names: v.optional(v.nullable(v.array(personShape))),
});

export const syncAnswerShape = v.object({ items: v.array(statusShape), heartbeat_ms: count });

export const likeEventShape = v.object({
  postId: uuid,
  contentType,
  userId: v.nullish(uuid, null),
  username: v.nullish(v.string(), null),
  isLiked: v.boolean(),
  totalLikes: count,
  version: count,
  viewers: countOrNone,
  occurredAt: time,
});

export const batchEventShape = v.object({
  contentId: uuid,
  contentType,
  finalLikeState: v.boolean(),
  totalLikes: count,
  likerIds: v.array(uuid),
  likerCount: count,
  version: count,
  viewers: countOrNone,
  timestamp: time,
});

export const notificationShape = v.pipe(
  v.object({
    id: uuid,
    type: v.literal("like"),
    title: v.string(),
    message: v.string(),
    data: v.object({ contentType, contentId: uuid, likerCount: count }),
    createdAt: time,
    isRead: v.boolean(),
  }),
  v.transform(({ id, title, message, data, createdAt, isRead }) => ({
    id,
    title,
    message,
    content: { type: data.contentType, id: data.contentId },
    likerCount: data.likerCount,
    createdAt,
    isRead,
  })),
);

export const notificationPageShape = v.object({
  notifications: v.array(notificationShape),
  unread_count: count,
  next_cursor: v.nullish(v.string(), null),
});

export const readAnswerShape = v.object({ unread_count: count });
export const removalShape = v.object({ id: uuid });

export const problemShape = v.object({ code: v.string(), detail: v.nullish(v.string()), title: v.nullish(v.string()) });

/** A wish that waits for the network, as the outbox stores it. */
export const outboxEntryShape = v.object({
  contentType,
  contentId: uuid,
  liked: v.boolean(),
  intent: count,
  at: count,
});

export const tabMessageShape = v.variant("kind", [
  v.object({
    kind: v.literal("settled"),
    contentType,
    contentId: uuid,
    liked: v.boolean(),
    intent: count,
    total: count,
    version: count,
  }),
  v.object({ kind: v.literal("waiting"), contentType, contentId: uuid, liked: v.boolean(), intent: count, at: count }),
  v.object({
    kind: v.literal("dropped"),
    contentType,
    contentId: uuid,
    intent: count,
    code: v.nullable(v.string()),
    message: v.string(),
  }),
  v.object({ kind: v.literal("read"), ids: v.nullable(v.array(uuid)) }),
]);

export type LikeAnswer = v.InferOutput<typeof likeAnswerShape>;
export type Status = v.InferOutput<typeof statusShape>;
export type SyncAnswer = v.InferOutput<typeof syncAnswerShape>;
export type NotificationPage = v.InferOutput<typeof notificationPageShape>;
export type OutboxEntry = v.InferOutput<typeof outboxEntryShape>;
export type TabMessage = v.InferOutput<typeof tabMessageShape>;

/** The value in its shape, or null when it does not fit. */
export function fitting<T extends v.GenericSchema>(shape: T, value: unknown): v.InferOutput<T> | null {
  const result = v.safeParse(shape, value);
  return result.success ? result.output : null;
}
