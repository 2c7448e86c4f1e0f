import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SECURITY_HEADERS } from "./replies.ts";

const PUBLIC = join(import.meta.dir, "../../public");
const TYPES: Record<string, string> = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", svg: "image/svg+xml" };

/** The dashboard's files, by path: the page's modules bundled into one script, the rest as it lies in `public`. */
export async function loadAssets(): Promise<Map<string, (request: Request) => Response>> {
  const build = await Bun.build({ entrypoints: [join(PUBLIC, "app.ts")], target: "browser", minify: true });
  const script = await build.outputs[0]?.text();
  if (script === undefined) throw new Error(`the dashboard could not be bundled: ${build.logs.join("; ")}`);
  const read = (name: string) => readFileSync(join(PUBLIC, name), "utf8");
  return new Map([
    ["/", asset(read("index.html"), "html")],
    ["/app.js", asset(script, "js")],
    ["/app.css", asset(read("app.css"), "css")],
    ["/icon.svg", asset(read("icon.svg"), "svg")],
  ]);
}

function asset(text: string, kind: string): (request: Request) => Response {
  const packed = Bun.gzipSync(new TextEncoder().encode(text));
  const headers = { ...SECURITY_HEADERS, "content-type": TYPES[kind] ?? "", "cache-control": "no-cache", vary: "accept-encoding" };
  return (request) => {
    if (!/\bgzip\b/.test(request.headers.get("accept-encoding") ?? "")) return new Response(text, { headers });
    return new Response(packed, { headers: { ...headers, "content-encoding": "gzip" } });
  };
}
