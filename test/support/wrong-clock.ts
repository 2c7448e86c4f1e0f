/** To be preloaded: a process whose clock is off by as many ms as the file in CLAUDE_REMOTE_TEST_CLOCK says, from one moment to the next. */
import { readFileSync } from "node:fs";

const right = Date.now;
const file = process.env.CLAUDE_REMOTE_TEST_CLOCK ?? "";
Date.now = () => right() + Number(readFileSync(file, "utf8"));
