// The truth about one content's heart, as pure functions: what the server said last (count by version, own state by intent) and what
// this person wishes. Merging is a maximum, so any order of answers and events, repeated or not, ends in the same state.
import { shallowEqual } from "./equality.js";

export interface LikeModel {
  /** The newest count known, by version; null until the server has told one. */
  readonly count: { readonly total: number; readonly version: number } | null;
  /** What the server holds of this person, by intent. */
  readonly own: { readonly liked: boolean; readonly intent: number };
  readonly wish: Wish | null;
  /**
   * The count and own state from before the request that is under way. While it is, nobody can say whether an arriving count already
   * contains its effect; showing this one plus the wish avoids counting the tap twice for a blink.
   */
  readonly frozen: { readonly total: number | null; readonly liked: boolean } | null;
}

export interface Wish {
  readonly liked: boolean;
  readonly intent: number;
  readonly at: number;
}

export const unknownLike: LikeModel = { count: null, own: { liked: false, intent: 0 }, wish: null, frozen: null };

export function mergeCount(model: LikeModel, total: number, version: number): LikeModel {
  if (model.count && version <= model.count.version) return model;
  return { ...model, count: { total, version } };
}

export function mergeOwn(model: LikeModel, liked: boolean, intent: number): LikeModel {
  if (intent <= model.own.intent) return model;
  return { ...model, own: { liked, intent } };
}

export function freeze(model: LikeModel): LikeModel {
  if (model.frozen) return model;
  return { ...model, frozen: { total: model.count?.total ?? null, liked: model.own.liked } };
}

export function thaw(model: LikeModel): LikeModel {
  return model.frozen ? { ...model, frozen: null } : model;
}

export function withWish(model: LikeModel, wish: Wish | null): LikeModel {
  return shallowEqual(model.wish, wish) ? model : { ...model, wish };
}

/** What to show: the base, and on it the difference that the wish makes. */
export function shown(model: LikeModel): { liked: boolean; total: number | null } {
  const base = model.frozen ?? { total: model.count?.total ?? null, liked: model.own.liked };
  const liked = model.wish?.liked ?? model.own.liked;
  if (base.total === null) return { liked, total: null };
  return { liked, total: Math.max(0, base.total + Number(liked) - Number(base.liked)) };
}
