import { UsageError } from "./usage.ts";
import { closest, type Flag, WORDS, type Word } from "./words.ts";

const NAME = "claude-remote";
/** Words for a person, as a shell has them in single quotes. */
const quoted = (text: string, quote = "'\\''") => `'${text.replaceAll("'", quote)}'`;

/** The words that may stand as a flag's value; undefined where they are files, folders or anything. */
const listed = ({ completes }: Flag) => (typeof completes === "object" ? completes : undefined);

/** bash: what may follow is known by the word, and after a flag by that flag. */
function bash(): string {
  const values = WORDS.flatMap(({ name, flags = [] }) =>
    flags.flatMap((flag) => {
      if (flag.value === undefined) return [];
      const pick =
        flag.completes === "file"
          ? "_files -f"
          : flag.completes === "folder"
            ? "_files -d"
            : `_words "${listed(flag)?.join(" ") ?? ""}"`;
      return [`    "${name} --${flag.name}") _claude_remote${pick}; return ;;`];
    }),
  );
  const words = WORDS.map(({ name, actions = [], flags = [] }) => {
    const own = flags.map((flag) => `--${flag.name}`).join(" ");
    const first = actions.map((action) => action.name).join(" ");
    return `    ${name}) if ((COMP_CWORD == 2)); then _claude_remote_words "${`${first} ${own} --help`.trim()}"; else _claude_remote_words "${`${own} --help`.trim()}"; fi ;;`;
  });
  const files = WORDS.flatMap(({ name, actions = [] }) =>
    actions
      .filter(({ completes }) => completes === "file")
      .map((action) => `    "${name} ${action.name}") _claude_remote_files -f; return ;;`),
  );
  return `# completions of ${NAME} for bash: eval "$(${NAME} completions bash)"
_claude_remote_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_claude_remote_files() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$1" -- "$cur"))
  compopt -o filenames 2>/dev/null
}
_claude_remote() {
  local cur=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _claude_remote_words "${WORDS.map(({ name }) => name).join(" ")} --help --version"
    return
  fi
  case "\${COMP_WORDS[1]} $before" in
${[...values, ...files].join("\n")}
  esac
  case "\${COMP_WORDS[1]}" in
${words.join("\n")}
  esac
}
complete -o default -F _claude_remote ${NAME}
`;
}

/** zsh: by its own _arguments, for each word. */
function zsh(): string {
  const text = (about: string) => about.replace(/[[\]:\\]/g, "\\$&");
  const flag = (one: Flag) => {
    const repeat = one.name === "root" || one.name.startsWith("sandbox-") ? "*" : "";
    if (one.value === undefined) return quoted(`--${one.name}[${text(one.about)}]`);
    const action =
      one.completes === "file"
        ? "_files"
        : one.completes === "folder"
          ? "_files -/"
          : `(${listed(one)?.join(" ") ?? ""})`;
    return quoted(
      `${repeat}--${one.name}=[${text(one.about)}]:${text(one.value)}:${action === "()" ? " " : action}`,
    );
  };
  const word = ({ name, actions = [], flags = [] }: Word) => {
    const first = actions.map((action) => `${action.name}\\:${quoted(text(action.about), "")}`);
    const parts = [
      ...flags.map(flag),
      quoted("--help[what there is]"),
      ...(first.length > 0 ? [`"1:word:((${first.join(" ")}))"`] : []),
      ...(actions.some(({ completes }) => completes === "file") ? ["'2:file:_files'"] : []),
    ];
    return `    ${name}) _arguments ${parts.join(" ")} ;;`;
  };
  const commands = WORDS.map(({ name, about }) => `    ${quoted(`${name}:${text(about)}`)}`);
  return `# completions of ${NAME} for zsh: eval "$(${NAME} completions zsh)"
_claude_remote() {
  local -a commands=(
${commands.join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe 'word' commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${WORDS.map(word).join("\n")}
    *) _default ;;
  esac
}
(($+functions[compdef])) || { autoload -Uz compinit && compinit }
compdef _claude_remote ${NAME}
`;
}

/** fish: a line for each thing that can be completed. */
function fish(): string {
  const text = (about: string) => quoted(about.replaceAll("\\", "\\\\"), "\\'");
  const lines = WORDS.flatMap(({ name, about, actions = [], flags = [] }) => {
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    const names = actions.map((action) => action.name).join(" ");
    const fresh = `-n '__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${names}'`;
    return [
      `-f -n __fish_use_subcommand -a ${name} -d ${text(about)}`,
      ...actions.map((action) => `-f ${fresh} -a ${action.name} -d ${text(action.about)}`),
      ...flags.map((flag) => {
        const value =
          flag.value === undefined
            ? ""
            : flag.completes === "file"
              ? "-r -F "
              : flag.completes === "folder"
                ? "-x -a '(__fish_complete_directories)' "
                : `-x ${listed(flag) === undefined ? "" : `-a '${listed(flag)?.join(" ")}' `}`;
        return `${seen} -l ${flag.name} ${value}-d ${text(flag.about)}`;
      }),
    ];
  });
  return `# completions of ${NAME} for fish: ${NAME} completions fish | source
${lines.map((line) => `complete -c ${NAME} ${line}`).join("\n")}
`;
}

const SHELLS: Record<string, () => string> = { bash, zsh, fish };

/** `claude-remote completions SHELL`: a script for that shell, on standard output. */
export async function completions(argv: readonly string[]): Promise<number> {
  const [shell = "", ...rest] = argv;
  const make = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (make === undefined || rest.length > 0) {
    const meant = closest(shell, Object.keys(SHELLS));
    throw new UsageError(
      `completions: bash, zsh or fish${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    );
  }
  process.stdout.write(make());
  return 0;
}
