import { existsSync } from "node:fs";

/**
 * The shell that holds the terminal runs the program as its foreground job. That gives it what it has at a prompt and
 * would not have as a session leader: a process group that may stop (an orphaned one ignores Ctrl-Z), and an exit status
 * that tells signals apart (bun-pty's library waits for the child itself and keeps one number, 1 for every signal). When
 * the job stops, the holder stops too, which its parent can see; continued, it brings the job back.
 */
const HOLDER = `exec 3>&2 2>/dev/null
trap : INT QUIT TERM
set -m
([ -z "$ignored" ] || trap '' $ignored; exec "$@" 2>&3 3>&-)
s=$?
while case $(kill -l $s) in *STOP|*TSTP|*TTIN|*TTOU) jobs %% >/dev/null;; *) false;; esac
do kill -STOP $$; fg >/dev/null; s=$?; done
exit $s`;

/** bash as the holder loses the job after Ctrl-C and writes job notices on the screen: there the program can't stop. */
const PLAIN_HOLDER = `trap : INT QUIT TERM
([ -z "$ignored" ] || trap '' $ignored; exec "$@")
exit $?`;

/**
 * Before that it waits until the master side is ours: a byte wakes the library's thread, which then ends, and the holder
 * stops so that we can look. What it writes up to the marker is not the program's.
 */
const HANDSHAKE = `if [ "$1" = wait ]; then
trap go=1 USR1
while [ -z "$go" ]; do printf .; kill -STOP $$; done
trap - USR1
printf '\\036'
fi
stty "$2" 2>/dev/null; ignored=$3; shift 3
`;
/** Ends what the holder itself writes. */
export const MARKER = 0x1e;

/**
 * The command that holds a program: a shell and its arguments. With `wait` it first lets us take the master side over;
 * `lineSettings` are given to the terminal as stty(1) takes them; the program ignores the signals in `ignored`, by number.
 */
export function holderCommand(
  wait: boolean,
  lineSettings: string,
  ignored: readonly number[],
  program: readonly string[],
): [shell: string, ...args: string[]] {
  const [shell, script] = holderShell();
  return [
    ...shell,
    "-c",
    HANDSHAKE + script,
    "claude-remote",
    wait ? "wait" : "go",
    lineSettings,
    ignored.join(" "),
    ...program,
  ];
}

function holderShell(): [shell: [string, ...string[]], script: string] {
  for (const dash of ["/bin/dash", "/usr/bin/dash"]) {
    if (existsSync(dash)) return [[dash], HOLDER];
  }
  for (const busybox of ["/bin/busybox", "/usr/bin/busybox"]) {
    if (existsSync(busybox)) return [[busybox, "sh"], HOLDER];
  }
  return [["/bin/sh"], PLAIN_HOLDER];
}
