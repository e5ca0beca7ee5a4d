// All contents of one client: finds or creates them, counts who watches which, and takes statuses and events to the right one.
import { type Content, type ContentLikes, createContent } from "./content.js";
import { createEmitter, type Emitter } from "./store.js";
import type { TapDeps } from "./taps.js";
import { type ContentKey, type ContentRef, keyOf } from "./types.js";
import type { Status } from "./wire.js";

export interface Contents {
  /** The same object for the same content, always. */
  open(ref: ContentRef): ContentLikes;
  find(ref: ContentRef): Content;
  all(): Content[];
  /** What is on the screen, longest there first. */
  watched(): Content[];
  /** Told when a content comes onto the screen or leaves it. */
  readonly watching: Pick<Emitter<{ key: ContentKey; onScreen: boolean }>, "subscribe">;
  applyStatuses(statuses: readonly Status[]): void;
}

export function createContents(deps: TapDeps): Contents {
  const contents = new Map<ContentKey, { content: Content; open: ContentLikes }>();
  const watchers = new Map<ContentKey, number>();
  const watching = createEmitter<{ key: ContentKey; onScreen: boolean }>();

  function entry(ref: ContentRef) {
    const key = keyOf(ref);
    const found = contents.get(key);
    if (found) return found;
    const content = createContent(ref, deps);
    const made = { content, open: openContent(content, () => watch(key)) };
    contents.set(key, made);
    return made;
  }

  function watch(key: ContentKey): () => void {
    changeWatchers(key, 1);
    let ended = false;
    return () => {
      if (!ended) changeWatchers(key, -1);
      ended = true;
    };
  }

  function changeWatchers(key: ContentKey, change: number): void {
    const before = watchers.get(key) ?? 0;
    const after = before + change;
    if (after > 0) watchers.set(key, after);
    else watchers.delete(key);
    if (before === 0 || after === 0) watching.emit({ key, onScreen: after > 0 });
  }

  return {
    open: (ref) => entry(ref).open,
    find: (ref) => entry(ref).content,
    all: () => [...contents.values()].map(({ content }) => content),
    watched: () => [...watchers.keys()].flatMap((key) => contents.get(key)?.content ?? []),
    watching,
    applyStatuses(statuses) {
      for (const status of statuses) {
        entry({ type: status.content_type, id: status.content_id }).content.applyStatus(status);
      }
    },
  };
}

function openContent(content: Content, watch: () => () => void): ContentLikes {
  const { ref, get, subscribe, like, unlike, toggle } = content;
  return { ref, get, subscribe, like, unlike, toggle, watch };
}
