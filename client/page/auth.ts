// Who this tab is. Each tab signs in for itself, so that two windows can be two people.
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { Config, DemoUser } from "./config.js";

export function createTabClient({ url, publishable_key }: Config): SupabaseClient {
  // supabase-js tells other tabs of the same storage key who has signed in; a key of this tab's own keeps that to itself.
  const storageKey = sessionStorage.getItem("tab") ?? `likes-demo-${Math.random().toString(36).slice(2)}`;
  sessionStorage.setItem("tab", storageKey);
  return createClient(url, publishable_key, { auth: { storage: sessionStorage, storageKey } });
}

/** Undefined signs out. */
export async function become(supabase: SupabaseClient, user: DemoUser | undefined): Promise<void> {
  const { error } = user
    ? await supabase.auth.signInWithPassword({ email: user.email, password: user.password })
    : await supabase.auth.signOut({ scope: "local" });
  if (error) throw error;
}

export interface PickerOptions {
  readonly select: HTMLSelectElement;
  readonly supabase: SupabaseClient;
  readonly users: readonly DemoUser[];
  changed(user: DemoUser | undefined): void;
  failed(error: unknown): void;
}

/** Fills the picker and keeps it in line with the session; `?as=name` signs in at the first visit. */
export async function startPicker({ select, supabase, users, changed, failed }: PickerOptions): Promise<void> {
  for (const { username } of users) select.append(new Option(`@${username}`, username));
  const userNamed = (name: string) => users.find(({ username }) => username === name);
  supabase.auth.onAuthStateChange((_event, session) => {
    const user = users.find(({ email }) => email === session?.user.email);
    select.value = user?.username ?? "";
    changed(user);
  });
  const take = async (name: string) => {
    select.disabled = true;
    await become(supabase, userNamed(name)).catch(failed);
    select.disabled = false;
  };
  select.addEventListener("change", () => void take(select.value));
  const wanted = new URLSearchParams(location.search).get("as");
  const { data } = await supabase.auth.getSession();
  if (wanted && !data.session) await take(wanted);
  select.disabled = false;
}
