// Joins private channels with @supabase/supabase-js, as a page would, and likes. Prints what happened as one line of JSON.
// Arguments: URL, publishable key, e-mail, password, then topics. After `--like`: the likes function is called for that post.
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";

const [url, key, email, password, ...rest] = process.argv.slice(2);
const post = rest.includes("--like") ? rest[rest.indexOf("--like") + 1] : null;
const topics = post ? rest.slice(0, rest.indexOf("--like")) : rest;

// Node 20 has no WebSocket of its own.
const supabase = createClient(url, key, { realtime: { transport: WebSocket } });
const { error } = await supabase.auth.signInWithPassword({ email, password });
if (error) throw error;
await supabase.realtime.setAuth();

const events = [];
let arrived = () => {};
const join = (topic) =>
  new Promise((resolve) => {
    supabase
      .channel(topic, { config: { private: true } })
      .on("broadcast", { event: "*" }, ({ event, payload }) => {
        events.push({ topic, event, payload });
        arrived();
      })
      .subscribe((status, refusal) => resolve({ topic, status, reason: refusal?.message ?? null }));
  });
const joined = [];
for (const topic of topics) joined.push(await join(topic));

let answer = null;
if (post) {
  const seen = new Promise((resolve) => {
    arrived = resolve;
  });
  const body = { content_type: "post", content_id: post, liked: true };
  ({ data: answer } = await supabase.functions.invoke("likes", { body }));
  await seen;
}
console.log(JSON.stringify({ joined, answer, events }));
await supabase.removeAllChannels();
process.exit(0);
