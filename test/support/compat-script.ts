import { dirname, relative, resolve } from "node:path";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import {
  isArrowFunction,
  isBinaryExpression,
  isBindingElement,
  isCallExpression,
  isForOfStatement,
  isFunctionDeclaration,
  isFunctionExpression,
  isIdentifier,
  isMethodDeclaration,
  isNewExpression,
  isObjectBindingPattern,
  isObjectLiteralExpression,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isRegularExpressionLiteral,
  isSpreadAssignment,
  isSpreadElement,
  isStringLiteral,
  isTypeNode,
  isTypeOfExpression,
  isVariableDeclarationList,
} from "typescript/unstable/ast/is";
import { API, type Symbol as NamedSymbol, type Project } from "typescript/unstable/async";
import { entryAt, type Use } from "./compat.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");

/** Syntax that not every browser had from the start, by where the data tells about it. */
const SYNTAX: Partial<Record<SyntaxKind, string>> = {
  [SyntaxKind.ClassStaticBlockDeclaration]: "javascript/classes/static/initialization_blocks",
  [SyntaxKind.QuestionQuestionEqualsToken]: "javascript/operators/nullish_coalescing_assignment",
  [SyntaxKind.BarBarEqualsToken]: "javascript/operators/logical_or_assignment",
  [SyntaxKind.AmpersandAmpersandEqualsToken]: "javascript/operators/logical_and_assignment",
  [SyntaxKind.QuestionQuestionToken]: "javascript/operators/nullish_coalescing",
  [SyntaxKind.QuestionDotToken]: "javascript/operators/optional_chaining",
  [SyntaxKind.PrivateIdentifier]: "javascript/classes/private_class_fields",
};

/** What a regular expression may have, by where the data tells about it. */
const IN_PATTERN: [RegExp, string][] = [
  [/\(\?<[=!]/, "lookbehind_assertion"],
  [/\(\?(?=[ims-])[ims]*-?[ims]*:/, "modifier"],
  [/\(\?<[A-Za-z]/, "named_capturing_group"],
  [/\\p\{/i, "unicode_character_class_escape"],
];
const FLAGS: Record<string, string> = {
  v: "unicodeSets",
  d: "hasIndices",
  s: "dotAll",
  y: "sticky",
};

/** Interfaces of the library that have another name where they are documented. */
const RENAMED: Record<string, string> = {
  ReadonlyArray: "Array",
  ReadonlyMap: "Map",
  ReadonlySet: "Set",
  IteratorObject: "Iterator",
  ArrayIterator: "Iterator",
  MapIterator: "Iterator",
  SetIterator: "Iterator",
  RegExpMatchArray: "Array",
  RegExpExecArray: "Array",
  Uint8Array: "TypedArray",
};

/** Every use of a browser's API, and of newer syntax, in the modules of a project: the page's, and what they import of `src`. */
export async function scriptUses(tsconfig: string): Promise<Use[]> {
  const api = new API({ cwd: dirname(tsconfig) });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [tsconfig] });
    const [project] = snapshot.getProjects();
    if (project === undefined) throw new Error(`no project at ${tsconfig}`);
    const uses: Use[] = [];
    for (const name of await project.program.getSourceFileNames()) {
      if (name.includes("/node_modules/") || name.endsWith(".d.ts")) continue;
      const file = await project.program.getSourceFile(name);
      if (file !== undefined) uses.push(...(await fileUses(project, file)));
    }
    return uses;
  } finally {
    await api.close();
  }
}

async function fileUses(project: Project, file: SourceFile): Promise<Use[]> {
  const nodes: Node[] = [];
  const walk = (node: Node): void => {
    if (isTypeNode(node) || node.kind === SyntaxKind.ImportDeclaration) return;
    nodes.push(node);
    node.forEachChild(walk);
  };
  file.forEachChild(walk);
  const uses: Use[] = [];
  const add = (node: Node, name: string, paths: string[]) => {
    if (paths.length === 0) return;
    const line = file.text.slice(0, node.getStart(file)).split("\n").length;
    uses.push({
      file: relative(REPOSITORY, file.fileName),
      line,
      name,
      paths,
      guarded: isGuarded(node, name),
    });
  };

  for (const node of nodes) {
    const syntax = SYNTAX[node.kind];
    if (syntax !== undefined) add(node, SyntaxKind[node.kind], [syntax]);
    if (isVariableDeclarationList(node) && /^(?:await\s+)?using\b/.test(node.getText(file)))
      add(node, "using", ["javascript/statements/using"]);
    if (isRegularExpressionLiteral(node))
      for (const [name, path] of inPattern(node.text)) add(node, name, [path]);
    if (isStringLiteral(node) && isEventName(node))
      add(node, `event ${node.text}`, owners(`${node.text}_event`));
    for (const [name, paths] of elementUses(node)) add(node, name, paths);
    const iterated = iteratedBy(node);
    if (iterated !== undefined) {
      const type = await project.checker.getTypeAtLocation(iterated.over);
      const owner = (await type?.getSymbol())?.name;
      if (owner !== undefined)
        add(node, `${iterated.how} over ${owner}`, memberPaths(owner, iterated.member));
    }
    if (isBindingElement(node) && isObjectBindingPattern(node.parent)) {
      const name = (node.propertyName ?? node.name)?.getText(file) ?? "";
      const type = await project.checker.getTypeAtLocation(node.parent);
      const symbol = type && (await project.checker.getPropertyOfType(type, name));
      if (symbol !== undefined && isOfLibrary(symbol))
        add(node, name, memberPaths(await ownerOf(symbol), name));
    }
  }

  const names = nodes.filter(isIdentifier).filter((node) => !isBindingElement(node.parent));
  const symbols = await project.checker.getSymbolAtLocation(names);
  for (const [i, node] of names.entries()) {
    const symbol = symbols[i];
    if (symbol === undefined || !isOfLibrary(symbol)) continue;
    const { parent } = node;
    if (isPropertyAccessExpression(parent) && parent.name === node) {
      const of = isIdentifier(parent.expression) ? parent.expression.text : "";
      const isStatic = /^[A-Z]/.test(of) && entryAt(`api/${of}/${node.text}_static`) !== undefined;
      add(
        parent,
        node.text,
        isStatic
          ? [`api/${of}/${node.text}_static`]
          : memberPaths(await ownerOf(symbol), node.text),
      );
    } else {
      const made = isNewExpression(parent) && parent.expression === node;
      const own = made
        ? [`api/${node.text}/${node.text}`, `javascript/builtins/${node.text}/${node.text}`]
        : [];
      add(
        node,
        node.text,
        existing([
          ...own,
          `api/${node.text}`,
          `javascript/builtins/${node.text}`,
          `api/Window/${node.text}`,
        ]).slice(0, 1),
      );
    }
  }
  return uses;
}

const isOfLibrary = (symbol: NamedSymbol) =>
  symbol.declarations.some(({ path }) => /\/lib\.[^/]*\.d\.ts$/.test(path));

/** The interface or the namespace that a symbol belongs to. */
async function ownerOf(symbol: NamedSymbol): Promise<string> {
  return ((await symbol.getParent())?.name ?? "").replace(/Constructor$/, "");
}

const existing = (paths: string[]) => paths.filter((path) => entryAt(path) !== undefined);

/** Where the data may tell about a member: with its owner, or, for mixins, with each interface that has it. */
function memberPaths(owner: string, name: string): string[] {
  if (owner.startsWith("CSSStyle"))
    return [`css/properties/${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`];
  const known = RENAMED[owner] ?? owner;
  const own = existing(
    [`api/${owner}`, `javascript/builtins/${known}`, `javascript/builtins/Intl/${known}`].map(
      (path) => `${path}/${name}`,
    ),
  );
  if (own.length > 0) return own.slice(0, 1);
  return /^[A-Z]/.test(owner) && entryAt(`javascript/builtins/${known}`) === undefined
    ? owners(name)
    : [];
}

const owners = (name: string) =>
  existing(Object.keys(entryAt("api") ?? {}).map((owner) => `api/${owner}/${name}`));

function inPattern(text: string): [name: string, path: string][] {
  const pattern = text.slice(1, text.lastIndexOf("/"));
  const flags = text.slice(text.lastIndexOf("/") + 1);
  return [
    ...IN_PATTERN.filter(([sign]) => sign.test(pattern)).map(([, name]): [string, string] => [
      name,
      `javascript/regular_expressions/${name}`,
    ]),
    ...[...flags].flatMap((flag): [string, string][] => {
      const name = FLAGS[flag];
      return name === undefined ? [] : [[`flag ${flag}`, `javascript/builtins/RegExp/${name}`]];
    }),
  ];
}

const isFunction = (node: Node) =>
  isArrowFunction(node) ||
  isFunctionDeclaration(node) ||
  isFunctionExpression(node) ||
  isMethodDeclaration(node);

/** What `el("tag", { attrs: …, on: … })` makes: an element, attributes and listeners. */
function elementUses(node: Node): [name: string, paths: string[]][] {
  if (!isCallExpression(node) || node.expression.getText() !== "el") return [];
  const [tag, props] = node.arguments;
  if (tag === undefined || !isStringLiteral(tag)) return [];
  const element = `html/elements/${tag.text}`;
  const members = props === undefined ? [] : propertiesOf(props);
  const inner = (name: string) =>
    members.filter(([key]) => key === name).flatMap(([, value]) => propertiesOf(value));
  return [
    [`<${tag.text}>`, [element]],
    ...inner("attrs").map(([name]): [string, string[]] => [
      name,
      existing([`${element}/${name}`, `html/global_attributes/${name}`]).slice(0, 1),
    ]),
    ...inner("on").map(([name]): [string, string[]] => [`event ${name}`, owners(`${name}_event`)]),
  ];
}

function propertiesOf(node: Node): [name: string, value: Node][] {
  if (!isObjectLiteralExpression(node)) return [];
  return node.properties.flatMap((property): [string, Node][] => {
    if (isSpreadAssignment(property) || property.name === undefined) return [];
    const name = property.name.getText().replace(/^["']|["']$/g, "");
    return [[name, isPropertyAssignment(property) ? property.initializer : property]];
  });
}

/** The string is what is listened for. */
function isEventName(node: Node): boolean {
  const { parent } = node;
  return (
    isCallExpression(parent) &&
    parent.arguments[0] === node &&
    /(?:^|\.)addEventListener$/.test(parent.expression.getText())
  );
}

function iteratedBy(node: Node): { over: Node; how: string; member: string } | undefined {
  if (isForOfStatement(node))
    return node.awaitModifier === undefined
      ? { over: node.expression, how: "for of", member: "@@iterator" }
      : { over: node.expression, how: "for await", member: "@@asyncIterator" };
  if (isSpreadElement(node)) return { over: node.expression, how: "spread", member: "@@iterator" };
  return undefined;
}

/**
 * Whether the code looks before it uses something: by `?.` right behind it, by `typeof`, by asking whether it is there, or by
 * `"name" in …` anywhere in the same function.
 */
function isGuarded(node: Node, name: string): boolean {
  const { parent } = node;
  if (
    isPropertyAccessExpression(parent) &&
    parent.expression === node &&
    parent.questionDotToken !== undefined
  )
    return true;
  if (
    isCallExpression(parent) &&
    parent.expression === node &&
    parent.questionDotToken !== undefined
  )
    return true;
  if (isTypeOfExpression(parent)) return true;
  if (parent.kind === SyntaxKind.PrefixUnaryExpression) return true;
  if (
    isBinaryExpression(parent) &&
    parent.left === node &&
    /^(?:\?\?|&&|[=!]==)$/.test(parent.operatorToken.getText())
  )
    return true;
  const names = [name, ...node.getText().split(/\W+/)].filter((part) =>
    /^[A-Za-z_]\w*$/.test(part),
  );
  const asked = new RegExp(`["'](?:${names.join("|")})["'] in `);
  for (let at: Node | undefined = parent; at !== undefined; at = at.parent)
    if (isFunction(at) && asked.test(at.getText())) return true;
  return false;
}
