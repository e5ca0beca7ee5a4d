// One post or video: who said what, the heart, and who is looking at it right now.

import { timeAgo } from "../src/elements/numbers.js";
import { type ContentState, keyOf, type Likes, type Person } from "../src/index.js";
import { avatar, hueOf, make } from "./dom.js";
import type { FeedItem } from "./feed.js";

const FACES = 4;

export interface Card {
  readonly element: HTMLElement;
  /** Ends its subscriptions. */
  stop(): void;
}

export function createCard(item: FeedItem, likes: Likes): Card {
  const card = make("article", "card", heading(item));
  card.id = keyOf(item.ref);
  card.tabIndex = -1;
  card.setAttribute("aria-label", `${item.ref.type} by ${nameOf(item)}`);
  if (item.ref.type === "video" || item.image) card.append(picture(item));
  if (item.title) card.append(make("h2", "title", item.title));
  if (item.text) card.append(make("p", "text", item.text));
  const { foot, stop } = footer(item, likes);
  card.append(foot);
  return { element: card, stop };
}

const nameOf = ({ author }: FeedItem) => author.display_name || author.username;

function heading(item: FeedItem): HTMLElement {
  const { author, createdAt } = item;
  const time = make("time", "when", timeAgo(Date.parse(createdAt), Date.now(), "en"));
  time.dateTime = createdAt;
  const names = make("div", "names", make("b", "", nameOf(item)), make("span", "", `@${author.username}`), time);
  return make("header", "head", avatar(author.id, nameOf(item)), names);
}

function picture(item: FeedItem): HTMLElement {
  const frame = make("div", "picture");
  frame.style.setProperty("--hue", String(hueOf(item.ref.id)));
  if (item.image) frame.append(image(item.image));
  if (item.ref.type === "video") frame.append(make("i", "play"), make("span", "duration", clock(item.duration ?? 0)));
  return frame;
}

/** The coloured frame stays where the picture cannot be had, for instance without a network. */
function image(url: string): HTMLElement {
  const element = make("img", "");
  element.loading = "lazy";
  element.alt = "";
  element.addEventListener("error", () => element.remove());
  element.src = url;
  return element;
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function footer(item: FeedItem, likes: Likes): { foot: HTMLElement; stop: () => void } {
  const button = document.createElement("like-button");
  button.setAttribute("content-type", item.ref.type);
  button.setAttribute("content-id", item.ref.id);
  button.setAttribute("label", `Like ${item.ref.type} by ${nameOf(item)}`);
  const activity = make("span", "activity");
  const watching = make("span", "watching");
  const content = likes.content(item.ref);
  const show = (state: ContentState) => {
    activity.textContent = activityText(state);
    showViewers(watching, state);
  };
  show(content.get());
  return { foot: make("footer", "foot", button, activity, watching), stop: content.subscribe(show) };
}

function activityText({ latest }: ContentState): string {
  if (!latest) return "";
  if (latest.people > 1) return `${latest.people} people just reacted`;
  if (!latest.liked) return "";
  return `${latest.liker ? `@${latest.liker.username}` : "Somebody"} just liked this`;
}

function showViewers(element: HTMLElement, { viewers, viewerNames }: ContentState): void {
  const names = (viewerNames ?? []).slice(0, viewers);
  const text = viewers === 0 ? "" : `${viewers} watching`;
  const state = `${text} ${names.map(({ id }) => id).join()}`;
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  element.title = names.map(({ username }) => `@${username}`).join(", ");
  element.replaceChildren(...names.slice(0, FACES).map(face), make("span", "", text));
}

const face = ({ id, username }: Person) => avatar(id, username, "face");
