import { describe, expect, test } from "bun:test";
import { sha256hex } from "../../src/auth.ts";
import { openElicitations } from "../../src/runner/elicitations.ts";
import { HookEvent } from "../../src/runner/hooks.ts";
import { openLedger } from "../../src/runner/ledger.ts";
import { type Approval, LIMITS, type Prompt, parseJson, View } from "../../src/types.ts";
import { expectParsed } from "../support/phone.ts";
import { until } from "../support/until.ts";

function ask(event: object, heard = true) {
  const seen: Prompt[] = [];
  const ledger = openLedger({
    session: "s_1",
    onChange: (prompt) => seen.push(prompt),
    onHurry: () => undefined,
  });
  let runs = true;
  const elicitations = openElicitations({
    ledger,
    host: "box",
    heard: () => heard,
    waits: () => runs,
  });
  const whole = {
    hook_event_name: "Elicitation",
    session_id: "x",
    transcript_path: "/x",
    cwd: "/x",
    mcp_server_name: "shop",
    message: "Where?",
    ...event,
  };
  const parsed = expectParsed(HookEvent, JSON.stringify(whole));
  if (parsed.hook_event_name !== "Elicitation") throw new Error("another event");
  const abort = new AbortController();
  const reply = elicitations.ask(parsed, abort.signal).then((answer) => {
    runs = false;
    return answer;
  });
  const prompt = seen[0];
  const view = parseJson(View, prompt?.view ?? "");
  const decide = (action: "approve" | "reject", given: Approval = {}) =>
    ledger.decide({
      type: "decide",
      decision: "d",
      prompt: prompt?.id ?? "",
      action,
      shown: sha256hex(prompt?.view ?? ""),
      device: "dev",
      name: "phone",
      ...given,
    });
  return { reply, view, decide, abort, elicitations, state: () => ledger.get(prompt?.id ?? "") };
}
const schema = {
  type: "object",
  properties: { name: { type: "string", minLength: 2 } },
  required: ["name"],
};

describe("what an MCP server asks", () => {
  test("is answered by what fits, and applied once Claude no longer waits for the hook", async () => {
    const { reply, decide, state } = ask({ mode: "form", requested_schema: schema });
    expect(decide("approve")).toBe("refused");
    expect(decide("approve", { fields: ["x"] })).toBe("refused");
    expect(decide("approve", { fields: ["xy"] })).toBe("sent");
    expect(await reply).toEqual({ action: "accept", content: { name: "xy" } });
    await until("it is applied", () => state()?.answer?.receipt === "applied");
  });

  test("is declined, or left to the desk by whoever types there, or by Claude's own closing", async () => {
    const declined = ask({ requested_schema: schema });
    declined.decide("reject");
    expect(await declined.reply).toEqual({ action: "decline" });
    const typed = ask({ requested_schema: schema });
    typed.elicitations.typed();
    expect(await typed.reply).toBeUndefined();
    expect(typed.state()?.state).toBe("withdrawn");
    const closed = ask({ requested_schema: schema });
    closed.abort.abort();
    expect(closed.decide("reject")).toBe("gone");
    await until("it is settled", () => closed.state()?.answer?.by === "desk");
  });

  test("does not keep the desk waiting where nobody hears of it", async () => {
    expect(await ask({ requested_schema: schema }, false).reply).toBeUndefined();
  });

  const pages: [string, string, boolean][] = [
    ["a page", "https://example.com/a?b=1", true],
    ["a page on this machine", "http://127.0.0.1:8080/", true],
    ["a script", "javascript:alert(1)", false],
    ["a file", "file:///etc/passwd", false],
    ["no address", "nowhere", false],
    [
      "a page whose address holds a secret",
      "https://example.com/?access_token=abcdef0123456789",
      false,
    ],
    ["an address beyond all bounds", `https://example.com/${"x".repeat(LIMITS.urlChars)}`, false],
  ];
  test.each(pages)("can be %s or not", async (_, url, open) => {
    const { view, decide, reply } = ask({ mode: "url", url, elicitation_id: "e" });
    expect(view?.actions).toEqual(open ? ["approve", "reject"] : ["reject"]);
    expect(view?.input.url).not.toContain("0123456789");
    expect(decide("approve")).toBe(open ? "sent" : "refused");
    if (open) expect(await reply).toEqual({ action: "accept" });
  });

  test("that can't be shown whole can only be declined, and secrets stay home", () => {
    expect(
      ask({ requested_schema: { type: "object", properties: { a: { type: "object" } } } }).view
        ?.actions,
    ).toEqual(["reject"]);
    expect(ask({ requested_schema: schema, mode: "dance" }).view?.actions).toEqual(["reject"]);
    const masked = ask({
      requested_schema: {
        type: "object",
        properties: { key: { type: "string", default: "sk-ant-api03-abcdef" } },
      },
      message: "use sk-ant-api03-abcdef",
    });
    expect(JSON.stringify(masked.view)).not.toContain("abcdef");
    expect(masked.view).toMatchObject({ masked: true, actions: ["approve", "reject"] });
  });
});
