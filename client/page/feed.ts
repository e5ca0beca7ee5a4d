// Reads the feed: posts and videos with their authors, newest first, page by page.
import type { SupabaseClient } from "@supabase/supabase-js";
import * as v from "valibot";
import type { ContentRef } from "../src/index.js";

const author = v.object({ id: v.string(), username: v.string(), display_name: v.nullish(v.string()) });
const common = { id: v.string(), created_at: v.string(), author };
const postShape = v.object({ ...common, content: v.string(), image_url: v.nullish(v.string()) });
const videoShape = v.object({
  ...common,
  title: v.string(),
  description: v.nullish(v.string()),
  thumbnail_url: v.nullish(v.string()),
  duration: v.nullish(v.number()),
});

export interface FeedItem {
  readonly ref: ContentRef;
  readonly author: v.InferOutput<typeof author>;
  readonly createdAt: string;
  readonly title: string | null;
  readonly text: string;
  readonly image: string | null;
  /** Seconds; null for posts. */
  readonly duration: number | null;
}

export interface Feed {
  /** The next page; empty at the end. */
  next(): Promise<FeedItem[]>;
}

const POSTS = 12;
const VIDEOS = 5;

export function createFeed(supabase: SupabaseClient): Feed {
  const posts = source(supabase, "posts", "id,content,image_url,created_at", POSTS, toPost);
  const videos = source(supabase, "videos", "id,title,description,thumbnail_url,duration,created_at", VIDEOS, toVideo);
  return {
    async next() {
      const pages = await Promise.all([posts(), videos()]);
      return pages.flat().sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    },
  };
}

/** One table, read by keyset: each call answers the page after the last one. */
function source(
  supabase: SupabaseClient,
  table: string,
  columns: string,
  size: number,
  read: (row: unknown) => FeedItem,
): () => Promise<FeedItem[]> {
  let before: string | null = null;
  let ended = false;
  return async () => {
    if (ended) return [];
    const all = supabase.from(table).select(`${columns},author:users!inner(id,username,display_name)`);
    const rest = before === null ? all : all.lt("created_at", before);
    const { data, error } = await rest.order("created_at", { ascending: false }).limit(size);
    if (error) throw error;
    const items = (data as unknown[]).map(read);
    before = items.at(-1)?.createdAt ?? before;
    ended = items.length < size;
    return items;
  };
}

function toPost(row: unknown): FeedItem {
  const { id, content, image_url, created_at, author } = v.parse(postShape, row);
  const ref = { type: "post", id } as const;
  return { ref, author, createdAt: created_at, title: null, text: content, image: image_url ?? null, duration: null };
}

function toVideo(row: unknown): FeedItem {
  const { id, title, description, thumbnail_url, duration, created_at, author } = v.parse(videoShape, row);
  return {
    ref: { type: "video", id },
    author,
    createdAt: created_at,
    title,
    text: description ?? "",
    image: thumbnail_url ?? null,
    duration: duration ?? 0,
  };
}
