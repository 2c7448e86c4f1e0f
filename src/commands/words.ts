/** What a flag of ours takes: nothing, or a value of which a shell can complete some. */
export interface Flag {
  name: string;
  /** What its value is called, such as FILE; undefined where it takes none. */
  value?: string;
  /** What can be completed: files, folders, or one of these words. */
  completes?: "file" | "folder" | readonly string[];
  about: string;
}

/** A word that may follow a command's own, such as `stop` after `server`. */
export interface Action {
  name: string;
  /** What comes after it, such as FILE. */
  takes?: string;
  completes?: "file";
  about: string;
}

/** One command word of ours: the source of its help, of completions and of the manual page. */
export interface Word {
  name: string;
  /** Its arguments in short. */
  synopsis: string;
  /** In a line. */
  about: string;
  actions?: readonly Action[];
  flags?: readonly Flag[];
  examples: readonly (readonly [command: string, about: string])[];
}

const DATA: Flag = {
  name: "data",
  value: "DIR",
  completes: "folder",
  about: "the folder of the server's database (~/.local/share/claude-remote)",
};
const JSON_LIST: Flag = { name: "json", about: "for programs: one JSON object" };
const KINDS = ["viewer", "machine", "runner"];

export const WORDS: readonly Word[] = [
  {
    name: "run",
    synopsis: "[options] [-- ARGS]",
    about: "claude, or another program, with options of ours",
    flags: [
      { name: "command", value: "PROG", about: "wrap this program instead of claude" },
      { name: "no-log", about: "nothing of it is written down by the server" },
      {
        name: "sandbox",
        about: "in a throw-away container: this folder and Anthropic's hosts alone",
      },
      { name: "sandbox-host", value: "HOST[:PORT]", about: "one more host for the sandbox" },
      { name: "sandbox-pass", value: "VARIABLE", about: "let a variable into the sandbox" },
      { name: "sandbox-git", about: "let the sandbox write to .git" },
      {
        name: "sandbox-dockerfile",
        value: "FILE",
        completes: "file",
        about: "what the sandbox has besides: a Dockerfile on top of ours",
      },
      { name: "sandbox-image", value: "IMAGE", about: "an image on top of ours, instead" },
      { name: "no-sandbox", about: 'none, though config.toml has sandbox = "always"' },
    ],
    examples: [
      ["claude-remote run -- --help", "claude's own help"],
      ["claude-remote run --command htop", "any other program"],
      ["claude-remote run --sandbox -- --resume", "claude in a container"],
    ],
  },
  {
    name: "demo",
    synopsis: "",
    about: "a scripted stand-in for claude, to try it out",
    examples: [["claude-remote demo", "no AI: nothing is run or written"]],
  },
  {
    name: "pair",
    synopsis: "[LINK | -] [options]",
    about: "let a phone or machine in; with a LINK, show this machine's sessions there",
    flags: [
      {
        name: "kind",
        value: "KIND",
        completes: KINDS,
        about:
          "for what: viewer (phone or browser), machine (runs Claude, sees all), runner (runs alone)",
      },
      { name: "name", value: "NAME", about: "with a LINK: what this machine is called there" },
      { ...DATA, about: "on the server's own host: make the code in this database" },
      { name: "public-url", value: "URL", about: "with --data: where phones find that server" },
    ],
    examples: [
      ["claude-remote pair", "a link and QR code for a phone or browser"],
      ["claude-remote pair --kind machine", "a link for another laptop or server that runs Claude"],
      ["claude-remote pair 'LINK'", "there: with the link; - asks for it"],
    ],
  },
  {
    name: "devices",
    synopsis: "[list | rename ID NAME | revoke ID … | admit ID] [--json]",
    about: "list what is paired, rename it, lock it out, or let it in again",
    actions: [
      { name: "list", about: "what is paired" },
      { name: "rename", takes: "ID NAME", about: "give a device another name" },
      { name: "revoke", takes: "ID …", about: "lock devices out at once" },
      { name: "admit", takes: "ID", about: "let one in again that nobody used for long" },
    ],
    flags: [JSON_LIST],
    examples: [["claude-remote devices", "what is paired, with its id"]],
  },
  {
    name: "attach",
    synopsis: "[SESSION | --list [--json]]",
    about: "a session of any machine in this terminal (Ctrl-] ? helps, Ctrl-] d leaves)",
    flags: [{ name: "list", about: "tell what runs" }, JSON_LIST],
    examples: [
      ["claude-remote attach", "the one that runs, or a choice"],
      ["claude-remote attach my-project", "by its folder, or its id"],
    ],
  },
  {
    name: "runner",
    synopsis: "--root DIR …",
    about: "start sessions in these folders when the phone asks, until it is told to end",
    flags: [
      {
        name: "root",
        value: "DIR",
        completes: "folder",
        about: "a folder for sessions; repeatable",
      },
      { name: "log", value: "FORM", completes: ["text", "json"], about: "words, or JSON a line" },
    ],
    examples: [["claude-remote runner --root ~/src", "on a machine that stays on"]],
  },
  {
    name: "server",
    synopsis: "[options] | status | stop | backup FILE | restore FILE",
    about: "a server of its own, for several machines",
    actions: [
      { name: "status", about: "what runs here (--json)" },
      { name: "stop", about: "end it; the next claude-remote starts it again" },
      {
        name: "backup",
        takes: "FILE",
        completes: "file",
        about: "a copy of its database, also while it runs; - is standard output",
      },
      {
        name: "restore",
        takes: "FILE",
        completes: "file",
        about: "put one back; - is standard input",
      },
    ],
    flags: [
      { name: "port", value: "7200", about: "where it listens" },
      { name: "host", value: "127.0.0.1", about: "on which address" },
      DATA,
      { name: "public-url", value: "URL", about: "where phones find it, behind an HTTPS proxy" },
      {
        name: "tls-cert",
        value: "FILE",
        completes: "file",
        about: "a certificate, for HTTPS without a proxy",
      },
      { name: "tls-key", value: "FILE", completes: "file", about: "its key" },
      { name: "insecure-lan", about: "plain HTTP on all addresses: a network that you trust" },
      { name: "keep-days", value: "30", about: "how long ended sessions stay; 0: for good" },
      { name: "keep-mb", value: "2000", about: "how large the database may be; 0: without bound" },
      {
        name: "device-days",
        value: "90",
        about: "how long a device may stay unused before it is locked out; 0: never",
      },
      { name: "push-contact", value: "mailto:YOU", about: "whom push services can turn to" },
      { name: "push-services", value: "HOSTS", about: "instead of the browsers' own" },
      { name: "trusted-proxies", value: "ADDRESSES", about: "whose X-Forwarded-For is believed" },
      {
        name: "published",
        value: "127.0.0.1:7200",
        about: "in a container: where its port is published",
      },
      { name: "log", value: "FORM", completes: ["text", "json"], about: "words, or JSON a line" },
      { ...JSON_LIST, about: "with status: one JSON object" },
      { name: "only-this-host", about: "with restore: lock out all devices but this machine" },
    ],
    examples: [
      ["claude-remote server --public-url https://home.example", "behind a proxy"],
      ["claude-remote server --host 0.0.0.0 --tls-cert C.pem --tls-key K.pem", "without one"],
      ["claude-remote server status", "what runs here"],
    ],
  },
  {
    name: "check",
    synopsis: "[--json]",
    about: "look whether everything works together, and what to do where not",
    flags: [JSON_LIST],
    examples: [["claude-remote check", "exit code 1 where something fails"]],
  },
  {
    name: "completions",
    synopsis: "bash | zsh | fish",
    about: "a script that lets your shell complete all this",
    actions: [
      { name: "bash", about: "for bash" },
      { name: "zsh", about: "for zsh" },
      { name: "fish", about: "for fish" },
    ],
    examples: [
      ['eval "$(claude-remote completions bash)"', "in ~/.bashrc; the same with zsh in ~/.zshrc"],
      ["claude-remote completions fish | source", "in ~/.config/fish/config.fish"],
    ],
  },
  {
    name: "man",
    synopsis: "",
    about: "the manual page, for man(1)",
    examples: [
      ["claude-remote man | man -l -", "read it"],
      ["claude-remote man > ~/.local/share/man/man1/claude-remote.1", "install it"],
    ],
  },
];

export const wordNamed = (name: string) => WORDS.find((word) => word.name === name);

/** The one of some names that somebody may have meant: at most two letters off (one in a short word), with the same first. */
export function closest(given: string, names: readonly string[]): string | undefined {
  const most = (name: string) => (Math.min(given.length, name.length) < 5 ? 1 : 2);
  return names
    .map((name) => ({ name, off: lettersOff(given, name) }))
    .filter(({ name, off }) => off > 0 && off <= most(name) && name[0] === given[0])
    .sort((one, other) => one.off - other.off)[0]?.name;
}

/** How many letters have to be changed, added, left out or swapped with their neighbour. */
function lettersOff(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const above = rows[i - 1] ?? [];
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same);
      if (one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
