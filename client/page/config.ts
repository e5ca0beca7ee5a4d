// Where the stack answers and who may sign in, as the gateway of the local stack tells it.
import * as v from "valibot";

const shape = v.object({
  url: v.pipe(v.string(), v.url()),
  publishable_key: v.string(),
  users: v.array(v.object({ email: v.string(), username: v.string(), password: v.string() })),
});

export type Config = v.InferOutput<typeof shape>;
export type DemoUser = Config["users"][number];

export async function loadConfig(): Promise<Config> {
  const response = await fetch("/local/config");
  if (!response.ok) throw new Error(`The local stack answered ${response.status} when asked for its configuration.`);
  return v.parse(shape, await response.json());
}
