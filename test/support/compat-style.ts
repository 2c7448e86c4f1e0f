import { entryAt, lacking, statementAt, type Use } from "./compat.ts";

interface Declaration {
  line: number;
  property: string;
  value: string;
}

/** Every at-rule, selector, property, keyword, function and unit of a style sheet that the data tells about. */
export function styleUses(file: string, css: string): Use[] {
  const uses: Use[] = [];
  // comments and strings become blanks of the same length, so that lines stay what they are
  const plain = css.replace(/\/\*[\s\S]*?\*\/|"[^"\n]*"/g, (part) => part.replace(/[^\n]/g, " "));
  const lineAt = (index: number) => plain.slice(0, index).split("\n").length;
  const supports: number[] = []; // depths of the blocks that are read only where they are understood
  let depth = 0;
  let block: Declaration[] = [];
  let from = 0;
  const endBlock = () => {
    for (const [i, { line, property, value }] of block.entries())
      for (const [name, path] of declarationPaths(property, value))
        if (entryAt(path) !== undefined)
          uses.push({
            file,
            line,
            name,
            paths: [path],
            guarded: supports.length > 0 || hasFallback(block, i),
          });
    block = [];
  };
  for (let at = 0; at < plain.length; at++) {
    const sign = plain.charAt(at);
    if (sign !== "{" && sign !== "}" && sign !== ";") continue;
    const text = plain.slice(from, at);
    const line = lineAt(from + text.length - text.trimStart().length);
    const add = (name: string, path: string) => {
      if (entryAt(path) !== undefined)
        uses.push({ file, line, name, paths: [path], guarded: supports.length > 0 });
    };
    if (sign === "{") {
      depth++;
      const rule = /^@([\w-]+)/.exec(text.trim())?.[1];
      if (rule === "supports") supports.push(depth);
      if (rule !== undefined) add(`@${rule}`, `css/at-rules/${rule}`);
      for (const [, name = ""] of text.matchAll(/::?([a-z-]+)/g))
        if (rule === undefined) add(`:${name}`, `css/selectors/${name}`);
      for (const [, feature = ""] of text.matchAll(/\(\s*([a-z-]+)\s*[:)<>=]/g))
        if (rule === "media") add(feature, `css/at-rules/media/${feature}`);
      if (rule === undefined && text.includes("&")) add("&", "css/selectors/nesting");
      endBlock();
    } else {
      const [, property, value] = /^\s*([\w-]+)\s*:\s*([\s\S]+)$/.exec(text) ?? [];
      if (property !== undefined && value !== undefined) {
        block.push({ line, property, value });
      }
      if (sign === "}") {
        endBlock();
        if (supports.at(-1) === depth) supports.pop();
        depth--;
      }
    }
    from = at + 1;
  }
  return uses;
}

const UNITS: [RegExp, string, string][] = [
  [
    /\b\d*\.?\d+[dsl]v(?:h|w|min|max|i|b)\b/,
    "dvh, svh, lvh",
    "css/types/length/viewport_percentage_units_dynamic",
  ],
  [/\b\d*\.?\d+cq(?:h|w|i|b|min|max)\b/, "cqw", "css/types/length/container_query_length_units"],
  [/\b\d*\.?\d+lh\b/, "lh", "css/types/length/lh"],
];

function* declarationPaths(property: string, value: string): Generator<[string, string]> {
  if (!property.startsWith("--")) yield [property, `css/properties/${property}`];
  if (!property.startsWith("--"))
    for (const [word] of value.matchAll(/(?<![\w-])[a-z][a-z-]*(?![\w(-])/g)) {
      yield [`${property}: ${word}`, `css/properties/${property}/${word}`];
      yield [`${property}: ${word}`, `css/properties/${property}/${word.replaceAll("-", "_")}`];
    }
  for (const [, name = ""] of value.matchAll(/(?<![\w-])([a-z][a-z-]*)\(/g)) {
    yield [`${name}()`, `css/types/${name}`];
    yield [`${name}()`, `css/types/color/${name}`];
    yield [`${name}()`, `css/types/image/${name}`];
    yield [`${name}()`, `css/types/gradient/${name}`];
  }
  if (/(?<![\w-])(?:rgb|hsl|lab|lch|oklab|oklch)\(\s*from\b/.test(value))
    yield ["relative colour", "css/types/color/rgb/relative_syntax"];
  for (const [unit, name, path] of UNITS) if (unit.test(value)) yield [name, path];
}

/**
 * A declaration that a browser does not understand is passed over, so that one before it stays in force, or one with a prefix. Not
 * so one with `var()`: it is taken as it is, and turns out to be nothing only later.
 */
function hasFallback(block: readonly Declaration[], index: number): boolean {
  const { property = "", value = "" } = block[index] ?? {};
  if (block.some((other) => other.property === `-webkit-${property}`)) return true;
  return (
    !value.includes("var(") &&
    block
      .slice(0, index)
      .some((other) => other.property === property && isEverywhere(other.property, other.value))
  );
}

const isEverywhere = (property: string, value: string) =>
  [...declarationPaths(property, value)].every(([, path]) => {
    const statement = statementAt(path);
    return statement === undefined || lacking(statement).length === 0;
  });
