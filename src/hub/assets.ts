import { pageFiles } from "./page.ts";
import { SECURITY_HEADERS, takesGzip } from "./replies.ts";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  webmanifest: "application/manifest+json; charset=utf-8",
};

/** The dashboard's files, by path. */
export async function loadAssets(): Promise<Map<string, (request: Request) => Response>> {
  const files = Object.entries(await pageFiles());
  return new Map(
    files.map(([name, text]) => [
      name === "index.html" ? "/" : `/${name}`,
      asset(text, name.split(".").pop() ?? ""),
    ]),
  );
}

/** Texts are compressed where the client takes it; pictures come in base64 and are as small as they get. */
function asset(text: string, kind: string): (request: Request) => Response {
  const bytes = new Uint8Array(Buffer.from(text, kind === "png" ? "base64" : "utf8"));
  const packed = kind === "png" ? undefined : Bun.gzipSync(bytes);
  const headers = {
    ...SECURITY_HEADERS,
    "content-type": TYPES[kind] ?? "",
    "cache-control": "no-cache",
    vary: "accept-encoding",
  };
  return (request) => {
    if (packed === undefined || !takesGzip(request)) return new Response(bytes, { headers });
    return new Response(packed, { headers: { ...headers, "content-encoding": "gzip" } });
  };
}
