import { existsSync, readFileSync } from "node:fs";

/** The kernel counts processor time in ticks of so many ms (USER_HZ, which is 100 on every platform Bun runs on). */
const TICK_MS = 10;

/** Whether the kernel tells what processes use (Linux). */
export const canLook = existsSync("/proc/self/stat");

/** What a process has used of the processors so far, all its threads together, in ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory of a process in MB, what it shares with others divided among them. */
export function shareMb(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`the process ${pid} has ended`);
  return (Number(kib) * 1024) / 1e6;
}

/** Memory of a process, in MB: now (`VmRSS`), or the most that it ever was (`VmHWM`). */
export function memoryMb(pid: number, which: "VmRSS" | "VmHWM"): number {
  const kib = new RegExp(`^${which}:\\s+(\\d+) kB`, "m").exec(
    readFileSync(`/proc/${pid}/status`, "utf8"),
  )?.[1];
  if (kib === undefined) throw new Error(`the process ${pid} has ended`);
  return (Number(kib) * 1024) / 1e6;
}
