// Why a like was taken back, in words for the person who tapped.
import type { Failure } from "../core/types.js";

const reasons = new Map(
  Object.entries({
    sign_in_required: "Sign in to like.",
    token_missing: "Sign in to like.",
    token_expired: "Your session has ended. Sign in again.",
    token_invalid: "Your session has ended. Sign in again.",
    blocked: "You cannot like this.",
    content_not_found: "This is no longer here.",
    unreachable: "No answer from the server. Your like was taken back.",
    database_unavailable: "The server is busy. Your like was taken back.",
  }),
);

export function reasonFor({ code }: Failure): string {
  return reasons.get(code) ?? "That did not work. Your like was taken back.";
}
