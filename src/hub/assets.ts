import { pageFiles } from "./page.ts";
import { SECURITY_HEADERS } from "./replies.ts";

const TYPES: Record<string, string> = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", svg: "image/svg+xml" };

/** The dashboard's files, by path. */
export async function loadAssets(): Promise<Map<string, (request: Request) => Response>> {
  const files = Object.entries(await pageFiles());
  return new Map(files.map(([name, text]) => [name === "index.html" ? "/" : `/${name}`, asset(text, name.split(".").pop() ?? "")]));
}

function asset(text: string, kind: string): (request: Request) => Response {
  const packed = Bun.gzipSync(new TextEncoder().encode(text));
  const headers = { ...SECURITY_HEADERS, "content-type": TYPES[kind] ?? "", "cache-control": "no-cache", vary: "accept-encoding" };
  return (request) => {
    if (!/\bgzip\b/.test(request.headers.get("accept-encoding") ?? "")) return new Response(text, { headers });
    return new Response(packed, { headers: { ...headers, "content-encoding": "gzip" } });
  };
}
