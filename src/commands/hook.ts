/** `claude-remote __hook SOCKET`, for our own use: passes one of Claude's hook events on to the session that listens there, and prints its answer. */
export async function hook([socket = ""]: readonly string[]): Promise<number> {
  const event = await Bun.stdin.bytes();
  try {
    const response = await fetch("http://127.0.0.1/hook", {
      method: "POST",
      body: event,
      unix: socket,
      proxy: "",
      timeout: false, // a person may take their time
    });
    if (response.ok) process.stdout.write(await response.text());
  } catch (error) {
    // nobody listens, or no longer: no decision, and nothing to tell
    if (!(error instanceof Error)) throw error;
  }
  return 0;
}
