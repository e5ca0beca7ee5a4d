// A whole client on the fake stack: the real package on the real supabase-js, in a browser whose network and visibility a test controls.
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { createLikes, type Environment, type Likes, type LikesOptions } from "../../src/index.js";
import { FakeBrowser } from "./browser.js";
import type { FakeGateway } from "./gateway.js";
import type { FakeUser } from "./server.js";

export class FakeEnvironment implements Environment {
  private listener: Parameters<Environment["onChange"]>[0] = () => undefined;
  private isOnline = true;
  private isVisible = true;
  readonly storage: Environment["storage"];
  readonly tabs: Environment["tabs"];

  constructor(browser = new FakeBrowser()) {
    this.storage = browser.storage;
    this.tabs = browser.doors;
  }

  online = () => this.isOnline;
  visible = () => this.isVisible;
  id = () => crypto.randomUUID();
  onChange: Environment["onChange"] = (listener) => {
    this.listener = listener;
    return () => {
      this.listener = () => undefined;
    };
  };

  setOnline(online: boolean): void {
    this.isOnline = online;
    this.listener("network");
  }

  setVisible(visible: boolean): void {
    this.isVisible = visible;
    this.listener("visibility");
  }

  leave(): void {
    this.listener("leaving");
  }
}

export interface FakeClient {
  readonly supabase: SupabaseClient;
  readonly likes: Likes;
  readonly environment: FakeEnvironment;
  signIn(user: FakeUser): Promise<void>;
  close(): Promise<void>;
}

export function startClient(gateway: FakeGateway, options: Partial<LikesOptions> = {}): FakeClient {
  const environment = (options.environment as FakeEnvironment | undefined) ?? new FakeEnvironment();
  const supabase = createClient(gateway.url, gateway.key, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node 20 has no WebSocket of its own; browsers need no transport.
    realtime: { transport: WebSocket as unknown as typeof globalThis.WebSocket },
  });
  const likes = createLikes({ supabase, likesUrl: `${gateway.url}/functions/v1/likes`, ...options, environment });
  return {
    supabase,
    likes,
    environment,
    async signIn({ email, password }) {
      const { error } = await supabase.auth.signInWithPassword({ email, password });
      if (error) throw error;
    },
    async close() {
      likes.close();
      await supabase.removeAllChannels();
    },
  };
}

/** Waits until the condition holds; fails with its last error after a while. */
export async function eventually(condition: () => void | Promise<void>, ms = 8000): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await condition();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
