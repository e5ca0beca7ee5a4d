// The public names of the package.

export type { Clock } from "./core/clock.js";
export type { ContentLikes } from "./core/content.js";
export type { Environment } from "./core/environment.js";
export { browserEnvironment } from "./core/environment.js";
export { LikesError } from "./core/errors.js";
export type { LikesEvent } from "./core/events.js";
export { createLikes, type Likes, type LikesOptions } from "./core/likes.js";
export type { NotificationState, Notifications } from "./core/notifications.js";
export type { Session } from "./core/session.js";
export type { Readable } from "./core/store.js";
export {
  type Activity,
  type ConnectionState,
  type ContentKey,
  type ContentRef,
  type ContentState,
  type ContentType,
  type Failure,
  keyOf,
  type Notification,
  type Person,
  refOf,
} from "./core/types.js";
export { defineLikeElements } from "./elements/define.js";
export { LikeButton } from "./elements/like-button.js";
export { LikeNotifications } from "./elements/like-notifications.js";
