/** The server said no, in its own words, or can't be reached (`status` is then 0, `code` "offline"). */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
