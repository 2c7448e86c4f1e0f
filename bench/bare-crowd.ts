/**
 * What it costs Bun and the kernel at least to write the same bytes to as many streams, and to read as many messages: one process, no signatures,
 * no state, no database. `POST /event` says what is written from then on, 50 times a second; an empty one ends it. It ends with whoever started it.
 */
const encoder = new TextEncoder();
const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
let writing: ReturnType<typeof setInterval> | undefined;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request, server) {
    server.timeout(request, 0);
    const { pathname } = new URL(request.url);
    if (pathname === "/ws")
      return server.upgrade(request) ? undefined : new Response(null, { status: 426 });
    if (pathname === "/event") {
      const every = Number(request.headers.get("x-every-ms"));
      const event = encoder.encode(await request.text());
      clearInterval(writing);
      if (event.length > 0) {
        writing = setInterval(() => {
          for (const stream of streams) stream.enqueue(event);
        }, every);
      }
      return new Response("{}");
    }
    let mine: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        mine = controller;
        streams.add(controller);
        controller.enqueue(encoder.encode(": here\n\n"));
      },
      cancel: () => void (mine && streams.delete(mine)),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  },
  websocket: { message: () => undefined },
});
process.stdout.write(`${server.port}\n`);
for await (const _ of Bun.stdin.stream()); // until it is closed
process.exit(0);
