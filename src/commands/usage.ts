/** The command line is not right; the message says what would be. Exit code 2. */
export class UsageError extends Error {}

export const USAGE = `claude-remote: your Claude Code session on your phone

  claude-remote [claude's arguments]      run claude here, and show it on the phone
  claude-remote run --command PROG -- …   the same with any other program
  claude-remote server                    the server that phones and machines meet at
      --port 7200  --host 127.0.0.1  --data DIR  --public-url URL
      --tls-cert FILE  --tls-key FILE  --insecure-lan
  claude-remote pair                      show a QR code for a phone
  claude-remote pair LINK                 pair this machine with a server (- reads the link from a prompt)
  claude-remote devices [revoke ID]       list what is paired, or lock something out

Each server option is also an environment variable, such as CLAUDE_REMOTE_PORT.
`;
