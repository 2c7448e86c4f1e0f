/** What a daemon tells: in words for people, and the same as an event with its fields for programs. */
export type DaemonLog = (
  words: string,
  event: DaemonEvent,
  fields?: Record<string, string | number | undefined>,
) => void;

export type DaemonEvent =
  | "started"
  | "stopping"
  | "no_claude"
  | "dashboard"
  | "connected"
  | "disconnected"
  | "refused"
  | "session_start"
  | "session_end"
  | "session_taken_over"
  | "session_killed"
  | "session_lost"
  | "session_said"
  | "session_error"
  | "processes_left"
  | "image";
