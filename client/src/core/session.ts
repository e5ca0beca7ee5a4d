// Who is signed in, as supabase-js tells it. `undefined` means that it is not known yet.
import type { SupabaseClient } from "@supabase/supabase-js";
import { createStore, type Readable } from "./store.js";

export interface Session {
  readonly user: Readable<string | null | undefined>;
  token(): Promise<string | null>;
  /** Asks for a new token, after the server has called the present one expired. */
  renew(): Promise<void>;
  close(): void;
}

export function createSession(supabase: SupabaseClient): Session {
  const user = createStore<string | null | undefined>(undefined);
  const { data } = supabase.auth.onAuthStateChange((_event, session) => user.set(session?.user.id ?? null));
  return {
    user,
    async token() {
      const { data } = await supabase.auth.getSession();
      return data.session?.access_token ?? null;
    },
    async renew() {
      await supabase.auth.refreshSession();
    },
    close: () => data.subscription.unsubscribe(),
  };
}
