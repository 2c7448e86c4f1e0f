/** A program that asks with a list, as many do: `menu.ts WAY OPTION…`, where WAY is `honest`, `slow` (paints late), `stubborn` (ignores the arrows) or `swaps` (asks something else at the first arrow). */
const [way = "honest", ...options] = process.argv.slice(2);
let question = "Which one?";
let at = 0;
const draw = () =>
  process.stdout.write(
    `\x1b[?25l\x1b[H\x1b[J? ${question}\r\n${options.map((option, i) => `${i === at ? "❯" : " "} ${option}`).join("\r\n")}`,
  );

process.stdin.setRawMode(true);
draw();
process.stdin.on("data", (data: Buffer) => {
  const arrow = { "\x1b[A": -1, "\x1b[B": 1 }[data.toString()];
  if (arrow !== undefined && way === "swaps") question = "Delete it?";
  if (arrow !== undefined && way !== "stubborn")
    at = (at + arrow + options.length) % options.length;
  if (data.toString() === "q") question = "Which other one?";
  if (data.toString() !== "\r") return void setTimeout(draw, way === "slow" ? 60 : 0);
  process.stdout.write(`\x1b[H\x1b[J\x1b[?25hchose ${options[at]}\r\n`);
  process.exit();
});
