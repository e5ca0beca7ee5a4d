// One POST with JSON both ways and a time-out. Refusals arrive as problem+json and leave as LikesError.
import { LikesError, unreachable } from "./errors.js";
import { fitting, problemShape } from "./wire.js";

export interface HttpOptions {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

export async function postJson(options: HttpOptions, url: string, token: string, body: object): Promise<unknown> {
  const response = await send(options, url, token, body);
  const answer = await response.json().catch((error: unknown) => {
    // A body that breaks off is the network's fault, and what it would have said is unknown.
    if (response.ok) throw unreachable(error);
    return null;
  });
  if (!response.ok) throw refusal(response, answer);
  return answer;
}

async function send(options: HttpOptions, url: string, token: string, body: object): Promise<Response> {
  const { fetch } = options;
  try {
    return await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      // A tap just before the page closes still arrives.
      keepalive: true,
      signal: AbortSignal.timeout(options.timeoutMs),
    });
  } catch (error) {
    throw unreachable(error);
  }
}

function refusal(response: Response, answer: unknown): LikesError {
  const problem = fitting(problemShape, answer);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new LikesError(
    problem?.code ?? "internal",
    problem?.detail ?? problem?.title ?? `The server answered ${response.status}.`,
    Number.isFinite(seconds) ? seconds * 1000 : null,
  );
}
