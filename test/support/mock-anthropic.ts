import * as v from "valibot";

/**
 * A stand-in for the Messages API, scripted by what is typed at Claude, a step a line:
 *
 *   run: CMD                    Bash            write: PATH :: TEXT         Write
 *   edit: PATH :: OLD => NEW    Read, then Edit  par: CMD ;; CMD            two Bash calls in one message
 *   ask                         AskUserQuestion  task: STEP                 Agent, which does STEP
 *   plan :: TEXT                ExitPlanMode     long N                     N lines of text
 *   bg: CMD                     Bash, in the background
 *   fail N                      an answer with that status
 *   background: STEP            the same, in the background
 *   tool: NAME :: JSON          any tool; without input where no JSON is given
 *   slow WAIT MS :: TEXT        after WAIT ms TEXT, a word every MS
 *
 * It checks that requests look like Claude Code's and keeps every tool result that it is sent.
 */
export interface MockApi {
  url: string;
  /** Tool results in the order they came. */
  results: { text: string; isError: boolean }[];
  /** What was wrong with requests. */
  complaints: string[];
  stop(): void;
}

const Block = v.looseObject({ type: v.string() });
type Block = v.InferOutput<typeof Block>;
const Message = v.object({ role: v.string(), content: v.union([v.string(), v.array(Block)]) });
type Message = v.InferOutput<typeof Message>;
const Body = v.object({
  model: v.string(),
  messages: v.pipe(v.array(Message), v.minLength(1)),
  tools: v.optional(v.array(v.unknown())),
  stream: v.optional(v.boolean()),
});
interface Step {
  text?: string;
  status?: number;
  /** Before the answer begins, and between its words, in ms. */
  wait?: number | undefined;
  pause?: number | undefined;
  tools?: { name: string; input: unknown }[];
}

const FIRST_LINES = ["a single file, no server", "a server; scales further"];
const QUESTION = {
  question: "Which database should we use?",
  header: "Database",
  multiSelect: false,
  options: [
    { label: "SQLite", description: FIRST_LINES[0] },
    { label: "PostgreSQL", description: FIRST_LINES[1] },
  ],
};

const lineFeeds = (text: string) => text.replaceAll("\\n", "\n");

function steps(line: string, conversation: () => string): Step[] {
  const [, word = "", rest = ""] = /^(\w+):?\s*(.*)$/.exec(line) ?? [];
  const [left = "", right = ""] = rest.split(/\s*::\s*/);
  switch (word) {
    case "run":
      return [
        {
          text: "I'll run that.",
          tools: [
            {
              name: "Bash",
              input: { command: lineFeeds(rest), description: "Run the requested command" },
            },
          ],
        },
      ];
    case "bg":
      return [
        {
          tools: [
            {
              name: "Bash",
              input: { command: rest, description: "Background command", run_in_background: true },
            },
          ],
        },
      ];
    case "write":
      return [
        { tools: [{ name: "Write", input: { file_path: left, content: lineFeeds(right) } }] },
      ];
    case "edit": {
      const [old_string = "", new_string = ""] = right.split(/\s*=>\s*/).map(lineFeeds);
      return [
        { tools: [{ name: "Read", input: { file_path: left } }] },
        { tools: [{ name: "Edit", input: { file_path: left, old_string, new_string } }] },
      ];
    }
    case "par":
      return [
        {
          tools: rest.split(/\s*;;\s*/).map((command) => ({
            name: "Bash",
            input: { command, description: "Parallel command" },
          })),
        },
      ];
    case "ask":
      return [{ tools: [{ name: "AskUserQuestion", input: { questions: [QUESTION] } }] }];
    case "plan": {
      // Claude Code names the file for the plan in a reminder, and reads it itself
      const file = conversation()
        .match(/[^"\\ ]*\/plans\/[A-Za-z0-9._-]+\.md/g)
        ?.at(-1);
      const write =
        file === undefined
          ? []
          : [{ tools: [{ name: "Write", input: { file_path: file, content: lineFeeds(right) } }] }];
      return [...write, { tools: [{ name: "ExitPlanMode", input: {} }] }];
    }
    case "task":
      return [
        {
          tools: [
            {
              name: "Agent",
              input: {
                description: "Do a subtask",
                prompt: rest,
                subagent_type: "general-purpose",
                run_in_background: false,
              },
            },
          ],
        },
      ];
    case "fail":
      return [{ status: Number(rest) }];
    case "background":
      return [
        {
          tools: [
            {
              name: "Agent",
              input: {
                description: "Do a subtask",
                prompt: rest,
                subagent_type: "general-purpose",
              },
            },
          ],
        },
      ];
    case "tool":
      return [{ tools: [{ name: left, input: right === "" ? {} : JSON.parse(right) }] }];
    case "long":
      return [
        {
          text: Array.from(
            { length: Number(rest) },
            (_, i) => `Line ${i + 1} of a long answer.`,
          ).join("\n"),
        },
      ];
    case "slow": {
      const [wait, pause] = left.split(" ").map(Number);
      return [{ text: lineFeeds(right), wait, pause }];
    }
    default:
      return [];
  }
}

function ownText(message: Message): string {
  const blocks =
    typeof message.content === "string"
      ? [{ type: "text", text: message.content }]
      : message.content;
  const text = blocks.filter((block) => block.type === "text").map((block) => String(block.text));
  return text
    .join("\n")
    .replace(/<system-reminder>[\s\S]*?<\/system-reminder>/g, "")
    .replace(/\[Request interrupted[^\]]*\]/g, "")
    .trim();
}

const has = (message: Message, type: string) =>
  Array.isArray(message.content) && message.content.some((block) => block.type === type);

/** The answer to a conversation: the step of the newest script that comes after as many tool turns. */
function next(body: v.InferOutput<typeof Body>): Step {
  if ((body.tools ?? []).length === 0) return { text: "A title" };
  let turns = 0;
  for (const message of body.messages.toReversed()) {
    if (message.role === "assistant" && has(message, "tool_use")) turns++;
    const text = message.role === "user" ? ownText(message) : "";
    if (text === "" || (has(message, "tool_result") && text.startsWith("<"))) continue;
    const script = text
      .split("\n")
      .flatMap((line) => steps(line.trim(), () => JSON.stringify(body.messages)));
    return script.length === 0
      ? { text: `You said: ${text.slice(0, 200)}` }
      : (script[turns] ?? { text: "Done." });
  }
  return { text: "Hello." };
}

export function startMockApi(): MockApi {
  let count = 0;
  const results: MockApi["results"] = [];
  const told = new Set<unknown>();
  const complaints: string[] = [];
  const id = (kind: string) =>
    `${kind}_mock${String(++count).padStart(6, "0")}${Math.random().toString(36).slice(2, 8)}`;

  const answer = (body: v.InferOutput<typeof Body>) => {
    for (const block of body.messages.flatMap(({ content }) =>
      Array.isArray(content) ? content : [],
    )) {
      if (block.type !== "tool_result" || told.has(block.tool_use_id)) continue;
      told.add(block.tool_use_id);
      results.push({
        text: typeof block.content === "string" ? block.content : JSON.stringify(block.content),
        isError: block.is_error === true,
      });
    }
    const step = next(body);
    if (step.status !== undefined)
      return Response.json(
        { type: "error", error: { type: "invalid_request_error", message: "as was asked" } },
        { status: step.status },
      );
    const content: Block[] = [];
    if (step.text !== undefined) content.push({ type: "text", text: step.text });
    for (const { name, input } of step.tools ?? [])
      content.push({ type: "tool_use", id: id("toolu"), name, input });
    const message = {
      id: id("msg"),
      type: "message",
      role: "assistant",
      model: body.model,
      content,
      stop_reason: step.tools === undefined ? "end_turn" : "tool_use",
      stop_sequence: null,
      usage: {
        input_tokens: 100,
        output_tokens: 20,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
      },
    };
    if (body.stream !== true) return Response.json(message);
    const events: [string, object][] = [
      ["message_start", { message: { ...message, content: [], stop_reason: null } }],
    ];
    content.forEach((block, index) => {
      const isText = block.type === "text";
      events.push([
        "content_block_start",
        { index, content_block: isText ? { type: "text", text: "" } : { ...block, input: {} } },
      ]);
      const words = step.pause === undefined ? [block.text] : String(block.text).split(/(?<= )/);
      const deltas = isText
        ? words.map((text) => ({ type: "text_delta", text }))
        : [{ type: "input_json_delta", partial_json: JSON.stringify(block.input) }];
      for (const delta of deltas) events.push(["content_block_delta", { index, delta }]);
      events.push(["content_block_stop", { index }]);
    });
    events.push(
      [
        "message_delta",
        {
          delta: { stop_reason: message.stop_reason, stop_sequence: null },
          usage: { output_tokens: 20 },
        },
      ],
      ["message_stop", {}],
    );
    const texts = events.map(
      ([type, data]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`,
    );
    const headers = { "content-type": "text/event-stream" };
    if (step.pause === undefined) return new Response(texts.join(""), { headers });
    async function* slowly() {
      await Bun.sleep(step.wait ?? 0);
      for (const text of texts) {
        yield text;
        await Bun.sleep(step.pause ?? 0);
      }
    }
    return new Response(slowly(), { headers });
  };

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith("/count_tokens")) return Response.json({ input_tokens: 100 });
      if (pathname.endsWith("/v1/models"))
        return Response.json({ data: [], has_more: false, first_id: null, last_id: null });
      if (request.method !== "POST" || !pathname.endsWith("/v1/messages")) return Response.json({});
      if (request.headers.get("x-api-key") !== "sk-ant-dummy")
        complaints.push("the key is not the one that was given");
      if (request.headers.get("anthropic-version") === null)
        complaints.push("no anthropic-version");
      const body = v.safeParse(Body, await request.json());
      if (body.success) return answer(body.output);
      complaints.push(`not a messages request: ${v.summarize(body.issues)}`);
      return new Response(null, { status: 400 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    results,
    complaints,
    stop: () => void server.stop(true),
  };
}
