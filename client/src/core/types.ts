// The words of the public API: what a content is, what its hearts show, and why a tap can be taken back.

export type ContentType = "post" | "video";

export interface ContentRef {
  readonly type: ContentType;
  /** A lower-case UUID. */
  readonly id: string;
}

/** A content's name in maps, channels and messages: `post:0b2c…`. */
export type ContentKey = `${ContentType}:${string}`;

export interface Person {
  readonly id: string;
  readonly username: string;
  readonly displayName: string | null;
}

/** `live`: events arrive as they happen; `polling`: the heartbeat alone brings news; `offline`: nothing answers. */
export type ConnectionState = "live" | "polling" | "offline";

export interface Failure {
  /** The stable word of the server (`blocked`, `content_not_found`, …) or of this package (`sign_in_required`, `unreachable`). */
  readonly code: string;
  readonly message: string;
}

/** The last thing somebody did to a content. The liker is null when private, and in batches. */
export interface Activity {
  readonly liker: { readonly id: string; readonly username: string } | null;
  readonly liked: boolean;
  /** How many people this tells of; more than one in a batch. */
  readonly people: number;
  readonly version: number;
  readonly at: string;
}

export interface ContentState {
  readonly liked: boolean;
  /** What to show: the server's count with this person's unconfirmed wish applied. Null until the server has told it. */
  readonly total: number | null;
  /** The wish of this person is not confirmed yet. */
  readonly pending: boolean;
  /** Why a pending wish is not on its way. */
  readonly waitingFor: "network" | "rate_limit" | null;
  /** Why the last wish was taken back; null again at the next tap. */
  readonly failure: Failure | null;
  readonly viewers: number;
  /** Null in a big room, and until a heartbeat has told. */
  readonly viewerNames: readonly Person[] | null;
  readonly latest: Activity | null;
}

export interface Notification {
  readonly id: string;
  readonly title: string;
  readonly message: string;
  readonly content: ContentRef;
  readonly likerCount: number;
  readonly createdAt: string;
  readonly isRead: boolean;
}

export function keyOf(ref: ContentRef): ContentKey {
  return `${ref.type}:${ref.id}`;
}

export function refOf(key: ContentKey): ContentRef {
  const [type, id] = key.split(":") as [ContentType, string];
  return { type, id };
}

/** The channel where a content's events arrive. */
export function contentTopic(key: ContentKey): string {
  return `content:${key}`;
}

/** The channel that is one person's own. */
export function userTopic(userId: string): string {
  return `user:${userId}`;
}
