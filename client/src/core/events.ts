// Reads one broadcast into an event that the rest of the package understands; what does not fit its shape is null and goes no further.
import type * as v from "valibot";
import type { Activity, ContentRef, Notification } from "./types.js";
import { batchEventShape, fitting, likeEventShape, notificationShape, removalShape } from "./wire.js";

export interface LikesEvent {
  readonly kind: "likes";
  readonly content: ContentRef;
  readonly total: number;
  readonly version: number;
  readonly viewers: number;
  /** Who newly likes it, as far as they are named. */
  readonly likerIds: readonly string[];
  readonly activity: Activity;
}

export interface NotificationEvent {
  readonly kind: "notification";
  readonly notification: Notification;
  readonly isNew: boolean;
}

export interface RemovalEvent {
  readonly kind: "removal";
  readonly id: string;
}

export type AnyEvent = LikesEvent | NotificationEvent | RemovalEvent;

export function readEvent(name: string, payload: unknown): AnyEvent | null {
  return readers.get(name)?.(payload) ?? null;
}

/** When the server says this event happened; null when it does not say. Replay asks for what came since. */
export function timeOf(event: AnyEvent): number | null {
  if (event.kind === "removal") return null;
  return Date.parse(event.kind === "likes" ? event.activity.at : event.notification.createdAt);
}

const readers: ReadonlyMap<string, (payload: unknown) => AnyEvent | null> = new Map([
  ["post:liked", likeEvent],
  ["post:unliked", likeEvent],
  ["post:likes_batched", batchEvent],
  ["notification:new", (payload) => notificationEvent(payload, true)],
  ["notification:updated", (payload) => notificationEvent(payload, false)],
  ["notification:removed", (payload) => read(removalShape, payload, ({ id }) => ({ kind: "removal", id }))],
]);

export const eventNames: readonly string[] = [...readers.keys()];

function likeEvent(payload: unknown): AnyEvent | null {
  return read(likeEventShape, payload, (event) => ({
    kind: "likes",
    content: { type: event.contentType, id: event.postId },
    total: event.totalLikes,
    version: event.version,
    viewers: event.viewers,
    likerIds: event.userId && event.isLiked ? [event.userId] : [],
    activity: {
      liker: event.userId && event.username ? { id: event.userId, username: event.username } : null,
      liked: event.isLiked,
      people: 1,
      version: event.version,
      at: event.occurredAt,
    },
  }));
}

function batchEvent(payload: unknown): AnyEvent | null {
  return read(batchEventShape, payload, (event) => ({
    kind: "likes",
    content: { type: event.contentType, id: event.contentId },
    total: event.totalLikes,
    version: event.version,
    viewers: event.viewers,
    likerIds: event.likerIds,
    activity: {
      liker: null,
      liked: event.finalLikeState,
      people: event.likerCount,
      version: event.version,
      at: event.timestamp,
    },
  }));
}

function notificationEvent(payload: unknown, isNew: boolean): AnyEvent | null {
  return read(notificationShape, payload, (notification) => ({ kind: "notification", notification, isNew }));
}

function read<T extends v.GenericSchema>(
  shape: T,
  payload: unknown,
  build: (value: v.InferOutput<T>) => AnyEvent,
): AnyEvent | null {
  const value = fitting(shape, payload);
  return value === null ? null : build(value);
}
