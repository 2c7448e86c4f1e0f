/** A command's words are looked for on so much of its line, in UTF-16 units. */
const COMMAND_CHARS = 600;

/**
 * The words of the command that has an argument at `at`: what stands before it since the line began, or since the last sign that ends a
 * command and stands in no quotes. `part` is what of the argument itself stands before it. Nothing where the line begins too far
 * away to tell.
 */
export function commandBefore(text: string, at: number): { words: string[]; part: string } {
  let start = at;
  while (start > 0 && at - start < COMMAND_CHARS && !endsLine(text, start - 1)) start--;
  if (start > 0 && !endsLine(text, start - 1)) return { words: [], part: "" };
  let words: string[] = [];
  let word = "";
  let quote = "";
  for (let i = start; i < at; i++) {
    const sign = text.charAt(i);
    if (sign === "\\") word += text.charAt(++i).replace("\n", "");
    else if (quote !== "") {
      if (sign === quote) quote = "";
      else word += sign;
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (/[\s;|&()`]/.test(sign)) {
      if (word !== "") words.push(word);
      word = "";
      if (/[\n;|&()`]/.test(sign)) words = [];
    } else word += sign;
  }
  return { words, part: word };
}

/** The name of the program that a command's words begin with, without its folder. */
export function programOf(words: readonly string[]): string | undefined {
  const program = words.find(
    (word) =>
      !/^\w+=/.test(word) &&
      !/^(?:sudo|doas|exec|command|nohup|time|env|\$|#|>|[^\w./].*)$/.test(word),
  );
  return program?.slice(program.lastIndexOf("/") + 1);
}

const endsLine = (text: string, at: number) =>
  text.charCodeAt(at) === 0x0a && text.charCodeAt(at - 1) !== 0x5c;
