import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { randomNonce } from "../auth.ts";
import { listenForHooks } from "../runner/hooks.ts";
import { parseJson } from "../types.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";
import { homeDir } from "./places.ts";

/** How long claude may take for one turn against a server of our own, in ms. */
const TURN_MS = 30_000;
/** Asks for permission in every version, and would do nothing but in a folder that goes away. */
const COMMAND = "touch asked-by-claude-remote-check";

const Body = v.object({ model: v.string(), stream: v.optional(v.boolean()) });
const Settings = v.object({ disableAllHooks: v.optional(v.boolean()) });

/**
 * The whole way of a permission: the real claude, with our hooks and an empty configuration, is made to ask for a command by a Messages API
 * of our own on loopback, so that nothing is asked of an account. Our answer has to come back in its next request.
 */
export async function* checkHooks(claude: string | undefined): AsyncGenerator<Finding> {
  const name = "hooks";
  if (claude === undefined)
    return yield warning(name, "not tried, as there is no claude", "see above");
  const { asked, answered, said } = await askOnce(claude);
  if (answered) yield ok(name, "claude asked for a permission, and took the answer");
  else if (asked)
    yield fails(
      name,
      "claude asks by hook, but does not take the answer",
      "update claude-remote, or claude",
    );
  else
    yield fails(
      name,
      `claude did not call its hook${said === "" ? "" : `; it said: ${said}`}`,
      "look for policies that forbid hooks (managed settings), and update claude",
    );
  for (const file of settingsFiles(process.cwd()))
    if (parseJson(Settings, read(file))?.disableAllHooks === true)
      yield warning(
        name,
        `${file} switches all hooks off`,
        'take "disableAllHooks" out: questions reach the phone only as far as they can be read off the screen',
      );
}

/** The settings that hold for a session in this folder: the user's, and the project's with those of this machine alone. */
function settingsFiles(cwd: string): string[] {
  const user = process.env.CLAUDE_CONFIG_DIR ?? join(homeDir(), ".claude");
  const folders = [cwd];
  for (let folder = cwd; !existsSync(join(folder, ".git")) && dirname(folder) !== folder; ) {
    folder = dirname(folder);
    if (existsSync(join(folder, ".git"))) folders.push(folder);
  }
  const project = folders.flatMap((folder) =>
    ["settings.json", "settings.local.json"].map((file) => join(folder, ".claude", file)),
  );
  return [...new Set([join(user, "settings.json"), ...project])];
}

async function askOnce(
  claude: string,
): Promise<{ asked: boolean; answered: boolean; said: string }> {
  const dir = mkdtempSync(join(tmpdir(), "claude-remote-check-"));
  const message = `refused by claude-remote check ${randomNonce()}`;
  let asked = false;
  let answered = false;
  const hooks = listenForHooks(
    {
      async onPermission() {
        asked = true;
        return { behavior: "deny", message };
      },
      onElicitation: async () => undefined,
      onEvent: () => undefined,
    },
    undefined,
    join(dir, "hooks"),
  );
  const api = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const text = await request.text();
      const body = new URL(request.url).pathname.endsWith("/v1/messages")
        ? parseJson(Body, text)
        : undefined;
      if (body === undefined) return Response.json({});
      answered ||= text.includes(message);
      return turn(body, text.includes('"tool_result"'));
    },
  });
  // nothing of the user's: no account, no configuration, no proxy
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    TMPDIR: dir,
    CLAUDE_CONFIG_DIR: dir,
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${api.port}`,
    ANTHROPIC_API_KEY: "sk-ant-none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    NO_PROXY: "127.0.0.1",
    ...hooks.env,
  };
  const argv = [
    claude,
    "-p",
    "check",
    "--permission-mode",
    "default",
    "--settings",
    JSON.stringify(hooks.settings),
  ];
  const child = Bun.spawn(argv, {
    cwd: dir,
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: TURN_MS,
    killSignal: "SIGKILL",
  });
  const [said] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  hooks.close();
  await api.stop(true);
  rmSync(dir, { recursive: true, force: true });
  return { asked, answered, said: said.trim().split("\n")[0]?.slice(0, 200) ?? "" };
}

/** What the model says: first that it wants to run a command, then that it is done. */
function turn({ model, stream }: v.InferOutput<typeof Body>, done: boolean): Response {
  const block = done
    ? { type: "text", text: "" }
    : { type: "tool_use", id: "toolu_check", name: "Bash", input: {} };
  const delta = done
    ? { type: "text_delta", text: "done" }
    : { type: "input_json_delta", partial_json: JSON.stringify({ command: COMMAND }) };
  const stop_reason = done ? "end_turn" : "tool_use";
  const message = {
    id: "msg_check",
    type: "message",
    role: "assistant",
    model,
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  if (stream !== true)
    return Response.json({
      ...message,
      stop_reason,
      content: [done ? { type: "text", text: "done" } : { ...block, input: { command: COMMAND } }],
    });
  const events: [string, object][] = [
    ["message_start", { message: { ...message, content: [], stop_reason: null } }],
    ["content_block_start", { index: 0, content_block: block }],
    ["content_block_delta", { index: 0, delta }],
    ["content_block_stop", { index: 0 }],
    ["message_delta", { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 1 } }],
    ["message_stop", {}],
  ];
  const text = events
    .map(([type, data]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`)
    .join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error) return ""; // none
    throw error;
  }
}
