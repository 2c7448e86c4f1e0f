/** Where the hooks call that a session has added to claude's arguments. */
export function hookSocket(args: readonly string[]): string {
  const settings = args[args.indexOf("--settings") + 1] ?? "";
  return /'__hook' '([^']+)'/.exec(settings)?.[1] ?? "";
}

/** Passes an event on as the hook command does; the answer's text. */
export async function callHook(
  socket: string,
  event: object,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch("http://127.0.0.1/hook", {
    method: "POST",
    unix: socket,
    body: JSON.stringify(event),
    ...(signal === undefined ? {} : { signal }),
  });
}
