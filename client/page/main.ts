// The demo page: sign in as somebody, see the feed, tap hearts. Everything about likes comes from the package in src/.
import { type ContentRef, createLikes, defineLikeElements, keyOf, type Likes } from "../src/index.js";
import { createTabClient, startPicker } from "./auth.js";
import { type Card, createCard } from "./card.js";
import { loadConfig } from "./config.js";
import { startConnectionPill } from "./connection.js";
import { byId } from "./dom.js";
import { createFeed, type Feed } from "./feed.js";

async function main(): Promise<void> {
  const config = await loadConfig();
  const supabase = createTabClient(config);
  const likes = createLikes({ supabase, likesUrl: `${config.url}/functions/v1/likes` });
  defineLikeElements(likes);
  startConnectionPill(byId("connection"), byId("realtime"), likes);
  const showFeed = startFeed(likes, () => createFeed(supabase));
  const second = byId<HTMLAnchorElement>("second");
  const select = byId<HTMLSelectElement>("who");
  await startPicker({
    select,
    supabase,
    users: config.users,
    failed: complain,
    changed(user) {
      byId("bell").hidden = !user;
      const other = config.users.find(({ username }) => username !== user?.username);
      second.hidden = !other;
      if (other) second.href = `/?as=${encodeURIComponent(other.username)}`;
    },
  });
  // What one may see depends on who one is.
  likes.user.subscribe(showFeed);
  if (likes.user.get() !== undefined) showFeed();
  byId("feed").addEventListener("like-error", (event) => {
    if ((event as CustomEvent<{ code: string }>).detail.code === "sign_in_required") select.classList.add("wanted");
  });
  select.addEventListener("change", () => select.classList.remove("wanted"));
  byId("bell").addEventListener("notification-open", (event) =>
    reveal((event as CustomEvent<{ content: ContentRef }>).detail.content),
  );
}

/** Returns what empties the feed and loads it anew. */
function startFeed(likes: Likes, open: () => Feed): () => void {
  const list = byId("feed");
  const more = byId<HTMLButtonElement>("more");
  let feed = open();
  let cards: Card[] = [];

  async function loadPage(): Promise<void> {
    const from = feed;
    more.disabled = true;
    list.setAttribute("aria-busy", "true");
    const items = await from.next();
    if (from !== feed) return;
    const added = items.map((item) => createCard(item, likes));
    cards.push(...added);
    list.append(...added.map(({ element }) => element));
    list.setAttribute("aria-busy", "false");
    more.disabled = false;
    more.hidden = items.length === 0;
    // Counts for the whole page in one call, before the cards scroll into sight.
    await likes.load(items.map(({ ref }) => ref));
  }

  const load = () => void loadPage().catch(complain);
  more.addEventListener("click", load);
  return () => {
    feed = open();
    for (const card of cards) card.stop();
    cards = [];
    list.replaceChildren();
    more.hidden = true;
    load();
  };
}

function reveal(content: ContentRef): void {
  const card = document.getElementById(keyOf(content));
  card?.scrollIntoView({ block: "center", behavior: "smooth" });
  card?.focus({ preventScroll: true });
}

function complain(error: unknown): void {
  const problem = byId("problem");
  problem.textContent =
    error instanceof Error ? error.message : String((error as { message?: unknown }).message ?? error);
  problem.hidden = false;
}

main().catch(complain);
