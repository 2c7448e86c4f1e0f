import { readSeat } from "../hub/seat.ts";
import { fetchServer } from "../runner/link.ts";
import { isOlder, stopServer } from "./embedded.ts";
import { print, printJson } from "./say.ts";

/** How long a server may take to answer for its health, in ms. */
const ANSWER_MS = 5000;

/** `claude-remote server status`: what runs on this data, and whether it answers; exit code 1 where nothing does. */
export async function status(data: string, json: boolean): Promise<number> {
  const seat = readSeat(data);
  const trouble = seat === undefined ? undefined : await probe(seat.url);
  if (json)
    printJson({
      running: seat !== undefined,
      answers: seat !== undefined && trouble === undefined,
      older: seat !== undefined && isOlder(seat),
      data,
      ...seat,
    });
  else if (seat === undefined)
    print("No server is running here. `claude-remote` starts one when it is needed.");
  else {
    const since = new Date(seat.started_at).toLocaleString();
    const kind = seat.embedded === undefined ? "started by hand" : "in the background";
    print(
      `running ${kind} since ${since} (process ${seat.pid}, version ${seat.version})\n  dashboard  ${seat.origin}\n  data       ${data}`,
    );
    if (isOlder(seat)) print("It is of an older build than this program: restart it.");
    if (trouble !== undefined) print(`It does not answer at ${seat.url}: ${trouble}`);
  }
  return seat === undefined || trouble !== undefined ? 1 : 0;
}

/** `claude-remote server stop`. */
export async function stop(data: string): Promise<number> {
  const stopped = await stopServer(data);
  print(
    stopped === undefined
      ? "No server is running here."
      : `The server at ${stopped.url} has ended.`,
    process.stderr,
  );
  return 0;
}

/** Why a server does not say that it is well. */
async function probe(url: string): Promise<string | undefined> {
  try {
    // its certificate may be for another name: this asks only whether it is there
    const response = await fetchServer(`${url}/healthz`, {
      signal: AbortSignal.timeout(ANSWER_MS),
      tls: { rejectUnauthorized: false },
    });
    return response.ok ? undefined : `it says ${response.status}`;
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
}
