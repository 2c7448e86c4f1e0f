/** An MCP server on stdio that asks back when its tools are called: `form` for fields, `page` for a page to be opened. */
import * as v from "valibot";
import { parseJson } from "../../src/types.ts";

const Message = v.looseObject({
  id: v.optional(v.union([v.string(), v.number()])),
  method: v.optional(v.string()),
  params: v.optional(
    v.looseObject({ name: v.optional(v.string()), protocolVersion: v.optional(v.string()) }),
  ),
  result: v.optional(v.unknown()),
});

const FORM = {
  message: "How shall it be deployed?",
  requestedSchema: {
    type: "object",
    properties: {
      name: {
        type: "string",
        title: "Name",
        description: "of the release",
        minLength: 2,
        maxLength: 20,
      },
      count: { type: "integer", title: "Machines", minimum: 1, maximum: 9, default: 3 },
      sure: { type: "boolean", title: "At once" },
      env: {
        type: "string",
        title: "Where",
        enum: ["dev", "prod"],
        enumNames: ["Development", "Production"],
      },
    },
    required: ["name", "env"],
  },
};
const PAGE = {
  mode: "url",
  elicitationId: "e1",
  url: "https://example.com/sign-in?x=1",
  message: "Please sign in",
};

const send = (message: object) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const waiting = new Map<string | number, string | number>();
let asked = 0;

for await (const line of console) {
  const { id, method, params, result } = parseJson(Message, line) ?? {};
  if (id === undefined) continue;
  if (method === "initialize")
    send({
      id,
      result: {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "asks", version: "1" },
      },
    });
  else if (method === "tools/list")
    send({
      id,
      result: {
        tools: ["form", "page"].map((name) => ({
          name,
          description: "asks back",
          inputSchema: { type: "object", properties: {} },
        })),
      },
    });
  else if (method === "tools/call") {
    waiting.set(`ask-${++asked}`, id);
    send({
      id: `ask-${asked}`,
      method: "elicitation/create",
      params: params?.name === "form" ? FORM : PAGE,
    });
  } else if (method === undefined)
    send({
      id: waiting.get(id),
      result: { content: [{ type: "text", text: JSON.stringify(result) }] },
    });
  else send({ id, result: {} });
}
