// Registers the elements with the client that they shall show; after that they work in plain HTML.
import type { Likes } from "../core/likes.js";
import { LikeButton } from "./like-button.js";
import { LikeNotifications } from "./like-notifications.js";

export function defineLikeElements(likes: Likes, registry: CustomElementRegistry = customElements): void {
  // A class of its own per client: nothing is global but the names of the elements.
  registry.define(
    "like-button",
    class extends LikeButton {
      override likes: Likes | null = likes;
    },
  );
  registry.define(
    "like-notifications",
    class extends LikeNotifications {
      override likes: Likes | null = likes;
    },
  );
}
