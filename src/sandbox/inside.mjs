// Runs inside the container, as the parent of the program: `node inside.mjs PROXY_PORT HOOKS_PORT PROGRAM ARG…`.
// It passes local ports on to the sockets that lead out, and ends the program when the wrapper outside is gone.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const FOLDER = "/run/claude-remote";
/** How long the program has for its end once the wrapper is gone, and how long a terminal may take to get its size, in ms. */
const LAST_WORDS_MS = 3000;
const SIZE_MS = 1000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
/** A job that stops itself (Ctrl-Z) is continued at once: nobody in here could do it later. Until the shell is ready for that, Ctrl-Z stops nothing. */
const HOLDER = `set -m
(stty susp '^Z'; exec "$@")
s=$?
while case $(kill -l $s 2>/dev/null) in *STOP|*TSTP|*TTIN|*TTOU) ;; *) false;; esac
do fg >/dev/null; s=$?; done
exit $s`;

const [proxy, hooks, command, ...args] = process.argv.slice(2);
let child;

const fail = (words, code) => {
  process.stderr.write(`claude-remote: ${words}\n`);
  process.exit(code);
};

/** The program itself, below the shell that holds it. */
const program = () => {
  if (!process.stdin.isTTY) return child.pid;
  try {
    return (
      Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ")[0]) ||
      child.pid
    );
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "ESRCH") throw error;
    return child.pid; // it is over
  }
};

const signal = (name) => {
  if (child === undefined) return;
  for (const target of [-program(), program()]) {
    try {
      process.kill(target, name);
      return;
    } catch (error) {
      if (error.code !== "ESRCH") throw error; // no group of its own, or over
    }
  }
};

const forward = (port, socket) =>
  new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const out = connect({ path: `${FOLDER}/${socket}`, allowHalfOpen: true });
      for (const [from, to] of [
        [client, out],
        [out, client],
      ]) {
        from.on("error", () => from.destroy());
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    });
    server.listen(Number(port), "127.0.0.1", resolve);
  });

const start = () => {
  child = process.stdin.isTTY
    ? spawn("/bin/sh", ["-c", HOLDER, "claude-remote", command, ...args], { stdio: "inherit" })
    : spawn(command, args, { stdio: "inherit", detached: true });
  child.on("error", (error) =>
    fail(
      `${command}: ${error.code === "ENOENT" ? "command not found in the sandbox" : error.message}`,
      error.code === "ENOENT" ? 127 : 126,
    ),
  );
  child.on("exit", (code, name) =>
    process.exit(
      code ??
        128 +
          ({ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[
            name
          ] ?? 0),
    ),
  );
};

for (const name of SIGNALS) process.on(name, () => signal(name));
for (const name of ["SIGTSTP", "SIGTTIN", "SIGTTOU"]) process.on(name, () => undefined);

const wrapper = connect(`${FOLDER}/alive.sock`);
wrapper.on("error", () => undefined);
wrapper.on("close", () => {
  if (child === undefined) fail("the wrapper outside is gone", 125);
  signal("SIGTERM");
  setTimeout(() => process.exit(137), LAST_WORDS_MS); // the container ends with us, and all that runs in it
});
wrapper.on("connect", async () => {
  await Promise.all([
    forward(proxy, "proxy.sock"),
    ...(hooks === "0" ? [] : [forward(hooks, "hooks.sock")]),
  ]);
  // a container's terminal has no size until the client outside tells it
  if (process.stdout.isTTY && !process.stdout.columns) {
    await new Promise((resolve) => {
      process.stdout.once("resize", resolve);
      setTimeout(resolve, SIZE_MS);
    });
  }
  start();
});
wrapper.resume();
