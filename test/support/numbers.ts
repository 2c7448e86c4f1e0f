/**
 * A program for tests that lose nothing: it prints numbered lines without end, and says what was typed, each on a line of its
 * own; what it took it also notes in a file. `numbers.ts FOLDER`.
 */
import { appendFileSync, writeFileSync } from "node:fs";

const folder = process.argv[2] ?? ".";
process.stdin.setRawMode?.(true); // no echo in the midst of a line
let line = 0;
const print = setInterval(() => process.stdout.write(`line ${++line}\r\n`), 8);
let typed = "";
process.stdin.on("data", (bytes) => {
  typed += bytes.toString();
  for (let end = typed.indexOf("\r"); end >= 0; end = typed.indexOf("\r")) {
    const word = typed.slice(0, end);
    typed = typed.slice(end + 1);
    appendFileSync(`${folder}/taken`, `${word}\n`);
    process.stdout.write(`took ${word}\r\n`);
    if (word !== "stop") continue;
    clearInterval(print);
    process.stdout.write(`last ${line}\r\n`);
  }
});
writeFileSync(`${folder}/pid`, String(process.pid)); // now it can be typed to
