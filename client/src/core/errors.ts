// One error for everything that a call can end in. People and code branch on `code`, the word that SQL, HTTP and this package share.

export class LikesError extends Error {
  override readonly name = "LikesError";

  constructor(
    readonly code: string,
    message: string,
    /** How long the server asks to wait; null when it does not say. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** The call may or may not have reached the database: only the server can say what holds now. */
  get fateUnknown(): boolean {
    return this.code === "unreachable" || this.code === "internal" || this.code === "unexpected_answer";
  }
}

/** Nothing answered: no network, a refused connection, a time-out. */
export function unreachable(cause: unknown): LikesError {
  const error = new LikesError("unreachable", "The server could not be reached.");
  error.cause = cause;
  return error;
}

export function asLikesError(error: unknown): LikesError {
  return error instanceof LikesError ? error : unreachable(error);
}
