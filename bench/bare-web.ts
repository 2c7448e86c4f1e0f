/**
 * What the way to a phone and back costs at least with what Bun brings: one process, no signatures, no screen, no database. A key
 * that is posted goes into a PTY, the PTY's raw bytes go out as SSE; a question is a request that is held until another one answers
 * it. Run as a process of its own; it ends with whoever started it.
 */
const encoder = new TextEncoder();
let viewer: ReadableStreamDefaultController<Uint8Array> | undefined;
let answer: ((response: Response) => void) | undefined;
const tell = (event: string, data: string) =>
  viewer?.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));

const child = Bun.spawn(["sh", "-c", "stty raw -echo; exec cat"], {
  terminal: {
    cols: 80,
    rows: 24,
    data: (_, bytes) => void tell("output", Buffer.from(bytes).toString()),
  },
});

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request, server) {
    server.timeout(request, 0);
    switch (new URL(request.url).pathname) {
      case "/events":
        return new Response(
          new ReadableStream<Uint8Array>({
            start(controller) {
              viewer = controller;
              tell("hello", "");
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        );
      case "/key":
        child.terminal?.write(await request.text());
        return new Response("{}");
      case "/ask":
        tell("ask", await request.text());
        return new Promise<Response>((resolve) => {
          answer = resolve;
        });
      case "/approve":
        answer?.(new Response("{}"));
        return new Response("{}");
      default:
        return new Response(null, { status: 404 });
    }
  },
});
process.stdout.write(`${server.port}\n`);
for await (const _ of Bun.stdin.stream()); // until it is closed
child.kill("SIGKILL");
process.exit(0);
