// Generated from the Python models by bin/generate: change those, not this file.
// The types of everything on the wire, keys as they are there.

/**
 * Who made a content, or liked it.
 */
export interface Author {
  id: string;
  username: string;
  display_name: string | null;
}
/**
 * A post or a video. Also the message in the queue.
 */
export interface Content {
  content_type: "post" | "video";
  content_id: string;
}
/**
 * A content and its author.
 */
export interface ContentAuthor {
  content_type: "post" | "video";
  content_id: string;
  author: Author;
}
/**
 * Many contents and their authors; contents that are not there or not visible are left out.
 */
export interface ContentAuthors {
  items: ContentAuthor[];
}
/**
 * Many contents in one request.
 */
export interface Contents {
  /**
   * @maxItems 100
   */
  items: Content[];
}
/**
 * What is wrong with one field of the request.
 */
export interface FieldProblem {
  field: string;
  message: string;
}
/**
 * The function is ready: its version, and how long the database took to answer.
 */
export interface Health {
  status: "ok";
  version: string;
  python: string;
  database_ms: number;
}
/**
 * The state after a like: the caller's own and the count, with the version that orders it among events.
 */
export interface LikeAnswer {
  content_type: "post" | "video";
  content_id: string;
  liked: boolean;
  total_likes: number;
  changed: boolean;
  version: number;
  intent: number;
  viewers: number;
  author: Author;
}
/**
 * `post:liked` and `post:unliked`: one like, or one taken back. Drop it unless its version is the highest yet.
 *
 * Liker and event id name nobody where the liker is private and the channel is a content's.
 */
export interface LikeEvent {
  id?: string;
  eventId: string;
  postId: string;
  contentType: "post" | "video";
  userId: string | null;
  username: string | null;
  isLiked: boolean;
  totalLikes: number;
  version: number;
  viewers: number;
  occurredAt: string;
}
/**
 * A wish of a user.
 *
 * `liked` says which state is wanted (left out: the other one), `intent` orders the wishes of one user.
 */
export interface LikeRequest {
  content_type: "post" | "video";
  content_id: string;
  liked?: boolean;
  intent?: number;
}
/**
 * The state of one content as the caller sees it; `intent` is null where the caller never liked it.
 */
export interface LikeStatus {
  content_type: "post" | "video";
  content_id: string;
  liked: boolean;
  intent: number | null;
  total_likes: number;
  version: number;
  viewers: number;
}
/**
 * The states of many contents; those that the caller may not see are left out.
 */
export interface LikeStatuses {
  items: LikeStatus[];
}
/**
 * A content that the caller likes.
 */
export interface LikedContent {
  content_type: "post" | "video";
  content_id: string;
  liked_at: string;
  total_likes: number;
  author: Author;
}
/**
 * A page of what the caller likes, newest first.
 */
export interface LikedContents {
  items: LikedContent[];
  next_cursor: string | null;
}
/**
 * Somebody who likes a content.
 */
export interface Liker {
  id: string;
  username: string;
  display_name: string | null;
  liked_at: string;
}
/**
 * A page of those who like a content, newest first; private likers are counted but not named.
 */
export interface Likers {
  likers: Liker[];
  total_likes: number;
  next_cursor: string | null;
}
/**
 * `post:likes_batched`: what a window of likes adds up to; names the newest 50 likers at most.
 */
export interface LikesBatchedEvent {
  id?: string;
  contentId: string;
  contentType: "post" | "video";
  authorId: string;
  finalLikeState: boolean;
  totalLikes: number;
  /**
   * @maxItems 50
   */
  likerIds: string[];
  likerCount: number;
  version: number;
  viewers: number;
  timestamp: string;
}
/**
 * How many notifications became read, and how many are still unread.
 */
export interface Marked {
  marked: number;
  unread_count: number;
}
/**
 * A content of which the caller wants no notifications, or wants them again.
 */
export interface MuteRequest {
  content_type: "post" | "video";
  content_id: string;
  muted?: boolean;
}
/**
 * Whether the content is muted now.
 */
export interface Muted {
  muted: boolean;
}
/**
 * Tells an author of likes. It grows while it is unread.
 */
export interface Notification {
  id: string;
  type: "like";
  title: string;
  message: string;
  data: NotificationData;
  createdAt: string;
  isRead: boolean;
}
/**
 * What a notification of likes tells of; the names are the newest likers'.
 */
export interface NotificationData {
  contentType: "post" | "video";
  contentId: string;
  likerId: string | null;
  likerUsername: string | null;
  likerIds: string[];
  likerCount: number;
  totalLikes: number;
}
/**
 * `notification:new` and `notification:updated`: the notification as the list has it.
 */
export interface NotificationEvent {
  id: string;
  type: "like";
  title: string;
  message: string;
  data: NotificationData;
  createdAt: string;
  isRead: boolean;
}
/**
 * `notification:removed`: the likes it told of were taken back.
 */
export interface NotificationRemovedEvent {
  id: string;
}
/**
 * Whether the caller wants notifications of likes at all.
 */
export interface NotificationSettings {
  enabled: boolean;
}
/**
 * A page of the caller's notifications, newest first, and how many are unread in all.
 */
export interface Notifications {
  notifications: Notification[];
  unread_count: number;
  next_cursor: string | null;
}
/**
 * Whether notifications are on now.
 */
export interface NotificationsEnabled {
  enabled: boolean;
}
/**
 * An error (RFC 9457). Branch on `code`.
 */
export interface Problem {
  type: "about:blank";
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  errors?: FieldProblem[];
}
/**
 * Which notifications are read; all of them where `ids` is left out.
 */
export interface ReadRequest {
  /**
   * @maxItems 100
   */
  ids?: string[];
}
