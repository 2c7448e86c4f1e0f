import { readHooks } from "./hooks.ts";
import { openKeys, plain, type Tone, write } from "./terminal.ts";

/**
 * A scripted stand-in for Claude Code: it draws on a terminal, asks through the same hooks, and takes the first answer, from
 * its own keys or from a hook. It runs nothing and writes nothing.
 */

/** Without anybody at its terminal it plays again after this long, in ms. */
const AGAIN_MS = 20_000;
const COMMAND = {
  command: "bun test checkout --rerun-each 20",
  description: "Run the checkout tests 20 times to catch the flaky one",
};
const QUESTION = {
  question: "The test expects the order mail within 50 ms. What shall I change?",
  header: "Flaky test",
  multiSelect: false,
  options: [
    {
      label: "Wait for the event",
      description: "The test waits until the mail is queued, however long that takes",
    },
    { label: "Raise the limit", description: "500 ms instead of 50, and hope" },
  ],
};

/** `claude-remote __demo [--settings FILE] [--again]`: plays until Ctrl-C. */
export async function playAgent(argv: readonly string[]): Promise<number> {
  const callHooks = readHooks(argv);
  const keys = openKeys();
  const say = async (text: string, tone?: Tone) => {
    write(`● ${text}\n`, tone);
    await Bun.sleep(700);
  };

  /** Shows a list; resolves with the chosen number from 0, undefined for Esc, or what the hook decided. */
  const ask = async (event: object, title: string, lines: string[], options: string[]) => {
    const controller = new AbortController();
    const fromHook = callHooks("PermissionRequest", event, controller.signal);
    let chosen = 0;
    let rows = 0;
    const draw = () => {
      const list = options.map((option, i) => `${i === chosen ? "❯" : " "} ${i + 1}. ${option}`);
      rows = write(
        [
          "─".repeat(40),
          title,
          "",
          ...lines.map((line) => `  ${line}`),
          "",
          ...list,
          "",
          "Enter or a number to answer · Esc to cancel · or tap on the phone",
          "",
        ].join("\n"),
        "bright",
      );
    };
    draw();
    const byKey = async () => {
      for (;;) {
        const key = await keys.next(controller.signal);
        const digit = Number(key);
        if (key === undefined || key === "esc") return undefined;
        if (key === "enter" || options[digit - 1] !== undefined)
          return key === "enter" ? chosen : digit - 1;
        chosen =
          (chosen + (key === "down" ? 1 : key === "up" ? options.length - 1 : 0)) % options.length;
        write(`\x1b[${rows}A\x1b[J`);
        draw();
      }
    };
    const answer = await Promise.race([
      byKey(),
      fromHook.then((decision) => decision ?? new Promise<never>(() => undefined)),
    ]);
    write(`\x1b[${rows}A\x1b[J`);
    return { answer, letGo: () => controller.abort() };
  };

  const permission = async () => {
    const call = { tool_name: "Bash", tool_input: COMMAND };
    const { answer, letGo } = await ask(
      call,
      "Bash command",
      [COMMAND.command, COMMAND.description],
      ["Yes", "No"],
    );
    write(`● Bash(${COMMAND.command})\n`);
    const allowed = answer === 0 || (typeof answer === "object" && answer.behavior === "allow");
    if (typeof answer === "object")
      write(
        `  ⎿  ${allowed ? "Allowed" : "Denied"} by PermissionRequest hook\n`,
        allowed ? "good" : "bad",
      );
    if (!allowed) {
      letGo(); // a No at the desk closes the hook's connection
      const message =
        typeof answer === "object" && answer.behavior === "deny"
          ? answer.message.split("The user said:\n")[1]
          : undefined;
      await say(
        message === undefined
          ? "All right, I leave it at that."
          : `All right. You said: ${plain(message)}`,
      );
      return false;
    }
    await Bun.sleep(900);
    write("  ⎿  19 pass, 1 fail: the order mail came after 61 ms\n");
    await callHooks("PostToolUse", call);
    letGo();
    await Bun.sleep(600);
    return true;
  };

  const question = async () => {
    const call = { tool_name: "AskUserQuestion", tool_input: { questions: [QUESTION] } };
    const labels = QUESTION.options.map(({ label }) => label);
    const { answer, letGo } = await ask(call, QUESTION.header, [QUESTION.question], labels);
    const fromPhone =
      typeof answer === "object" && answer.behavior === "allow"
        ? answer.updatedInput?.answers?.[QUESTION.question]
        : undefined;
    const said =
      (fromPhone === undefined ? undefined : plain(fromPhone)) ??
      (typeof answer === "number" ? labels[answer] : undefined);
    write(`● ${QUESTION.question}\n  ⎿  ${said ?? "not answered"}\n`);
    if (typeof answer === "object")
      write(
        `  ⎿  ${fromPhone === undefined ? "Denied" : "Allowed"} by PermissionRequest hook\n`,
        fromPhone === undefined ? "bad" : "good",
      );
    await callHooks("PostToolUse", call);
    letGo();
    await Bun.sleep(600);
    return said;
  };

  for (;;) {
    write("\x1b]0;✳ checkout is flaky\x07\x1b[2J\x1b[H");
    write("❯▮ claude-remote demo", "bright");
    write("  scripted, no AI; nothing is run or written\n\n");
    write("> The checkout test fails now and then. Find out why and mend it.\n\n", "bright");
    await callHooks("UserPromptSubmit");
    await Bun.sleep(800);
    await say("I'll run the checkout tests a few times to see it fail.");
    const said = (await permission()) ? await question() : undefined;
    const last =
      said === undefined
        ? "Nothing was changed."
        : `Done: ${said.toLowerCase()}. 20 of 20 runs pass.`;
    await say(last, "good");
    await callHooks("Stop", { last_assistant_message: last });
    write("\nThat is all it plays. Enter: once more · Ctrl-C: end\n");
    const timer = argv.includes("--again") ? AbortSignal.timeout(AGAIN_MS) : undefined;
    while ((await keys.next(timer)) !== "enter" && timer?.aborted !== true);
  }
}
