// One content's store: everything that is heard of it is merged here, and what its hearts show follows from that alone.
import type { Seen } from "./api.js";
import { shallowEqual } from "./equality.js";
import type { LikesEvent } from "./events.js";
import { type LikeModel, mergeCount, mergeOwn, shown, thaw, unknownLike, type Wish, withWish } from "./like-model.js";
import { createStore, type Readable } from "./store.js";
import { createTaps, type TapDeps } from "./taps.js";
import type { Activity, ContentRef, ContentState, Failure, Person } from "./types.js";
import type { Status } from "./wire.js";

/** What an application holds of a content. */
export interface ContentLikes extends Readable<ContentState> {
  readonly ref: ContentRef;
  like(): void;
  unlike(): void;
  toggle(): void;
  /** Says that this content is on the screen: its room is joined, the heartbeat names it. Returns what ends that. */
  watch(): () => void;
}

/** The same, with the doors that only this package uses. */
export interface Content extends Omit<ContentLikes, "watch"> {
  /** What the server shall know that we know. */
  readonly seen: Seen;
  /** This person's wish waits for the network. */
  readonly stranded: Wish | null;
  applyStatus(status: Status): void;
  /** Answers whether the application has not heard this event before. */
  applyEvent(event: LikesEvent): boolean;
  /** What the event says about this person contradicts what is known: only the server can tell. */
  contradicts(event: LikesEvent, userId: string): boolean;
  settledElsewhere(liked: boolean, intent: number, total: number, version: number): void;
  waitsElsewhere(wish: Wish): void;
  droppedElsewhere(intent: number, failure: Failure | null): void;
  resume(wish: Wish): Promise<void>;
  flush(): void;
  reset(): void;
}

interface Inside {
  model: LikeModel;
  waitingFor: ContentState["waitingFor"];
  failure: Failure | null;
  viewers: number;
  viewerNames: readonly Person[] | null;
  /** The number of viewers that belongs to the names: an event may have brought a newer number, but never names. */
  viewersNamed: number | null;
  latest: Activity | null;
}

const nothing: Inside = {
  model: unknownLike,
  waitingFor: null,
  failure: null,
  viewers: 0,
  viewerNames: null,
  viewersNamed: null,
  latest: null,
};

export function createContent(ref: ContentRef, deps: TapDeps): Content {
  let inside = nothing;
  const state = createStore(stateOf(inside));
  const update = (change: Partial<Inside>) => {
    inside = { ...inside, ...change };
    const after = stateOf(inside);
    if (!shallowEqual(state.get(), after)) state.set(after);
  };
  const cell = {
    get model() {
      return inside.model;
    },
    update,
  };
  const taps = createTaps(ref, cell, deps);

  function applyStatus(status: Status): void {
    const counted = mergeCount(inside.model, status.total_likes, status.version);
    const { viewers, viewer_names: viewerNames } = status;
    const named = viewerNames === undefined ? {} : { viewerNames, viewersNamed: viewers };
    update({ model: mergeOwn(counted, status.liked, status.intent), viewers, ...named });
  }

  function applyEvent(event: LikesEvent): boolean {
    const { activity, version } = event;
    const heard = inside.latest?.version ?? -1;
    if (version < heard) return false;
    if (version === heard) {
      // The author's copy names a private liker, the room's does not: keep the one that says more.
      if (activity.liker && !inside.latest?.liker) update({ latest: activity });
      return false;
    }
    const model = mergeCount(inside.model, event.total, version);
    update({ model, latest: activity, ...(model === inside.model ? {} : { viewers: event.viewers }) });
    return true;
  }

  function settledElsewhere(liked: boolean, intent: number, total: number, version: number): void {
    const model = mergeCount(mergeOwn(inside.model, liked, intent), total, version);
    const { wish } = model;
    if (wish && wish.intent <= intent) update({ model: thaw(withWish(model, null)), waitingFor: null });
    else update({ model });
  }

  return {
    ref,
    get: state.get,
    subscribe: state.subscribe,
    like: () => taps.tap(true),
    unlike: () => taps.tap(false),
    toggle: () => taps.tap(!state.get().liked),
    get seen() {
      const { count, own } = inside.model;
      if (!count) return { content: ref, version: null, viewers: null, liked: null };
      return { content: ref, version: count.version, viewers: inside.viewersNamed, liked: own.liked };
    },
    get stranded() {
      return inside.waitingFor === "network" ? inside.model.wish : null;
    },
    applyStatus,
    applyEvent,
    contradicts({ activity, likerIds }, userId) {
      const { own, wish } = inside.model;
      const likes = likerIds.includes(userId);
      const named = likes || activity.liker?.id === userId;
      return named && likes !== own.liked && !wish;
    },
    settledElsewhere,
    waitsElsewhere(wish) {
      const { wish: mine, own } = inside.model;
      if (wish.intent <= Math.max(own.intent, mine?.intent ?? 0)) return;
      update({ model: withWish(inside.model, wish), waitingFor: "network" });
    },
    droppedElsewhere(intent, failure) {
      if (inside.model.wish?.intent !== intent) return;
      update({ model: thaw(withWish(inside.model, null)), waitingFor: null, failure });
    },
    resume: taps.resume,
    flush: taps.flush,
    reset() {
      taps.reset();
      update(nothing);
    },
  };
}

function stateOf({ model, waitingFor, failure, viewers, viewerNames, latest }: Inside): ContentState {
  return { ...shown(model), pending: model.wish !== null, waitingFor, failure, viewers, viewerNames, latest };
}
