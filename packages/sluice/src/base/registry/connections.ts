/** 31xx: connections to database servers. */
import { entry } from './entry.ts'

const kept = 'Nothing of this call was published; the table is as it was.'

/** Errors of connections. */
export const connectionErrors = {
  'Connection.DriverMissing': entry<{ connection: string; packages: readonly string[] }>({
    code: 'SLU3101',
    title: 'A database driver is not installed.',
    message: ({ connection, packages }) =>
      `The connection "${connection}" needs ${packages.join(' and ')}, which is not installed: drivers come only with the projects that use them.`,
    hint: ({ packages }) => `Run: npm install --save-exact ${packages.join(' ')}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Connection.DriverChanged': entry<{ package: string; found: string; expected: string; why: string }>({
    code: 'SLU3102',
    title: 'A database driver does not decode values as it must.',
    message: ({ package: name, found, why }) =>
      `${name} ${found} did not pass the decoder's test (${why}); values would be altered, so nothing was read.`,
    hint: ({ package: name, expected }) => `Run: npm install --save-exact ${name}@${expected}`,
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault SR-06. The exact decoder stands on the inside of the driver, and tests itself before the first connection.',
  }),
  'Connection.LoginFailed': entry<{ connection: string; user: string; why: string }>({
    code: 'SLU3103',
    title: 'A server refused the login.',
    message: ({ connection, user, why }) =>
      `The server of the connection "${connection}" refused ${user === '' ? 'the login' : `the user "${user}"`}: ${why}.`,
    hint: () =>
      'It is not tried again by itself, so that the account is not locked; the next attempt is allowed after a minute. Correct the user, its password or its rights, then: sluice doctor',
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault SR-10.',
  }),
  'Connection.LoginHeld': entry<{ connection: string; seconds: number }>({
    code: 'SLU3104',
    title: 'A login was refused a moment ago.',
    message: ({ connection, seconds }) =>
      `The login of the connection "${connection}" was refused ${seconds} seconds ago with the same settings; it is not tried again within a minute, so that the account is not locked.`,
    hint: () => 'Correct the user or password (then it is tried at once), or wait, then: sluice doctor',
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault SR-10.',
  }),
  'Connection.Tls': entry<{ connection: string; host: string; why: string }>({
    code: 'SLU3105',
    title: "A server's certificate cannot be trusted.",
    message: ({ connection, host, why }) =>
      `The connection "${connection}" to ${host} was refused before a password was sent: ${why}.`,
    hint: () =>
      "Name the certificate that signed the server's with `ca`, or its name with `serverName`; `tls: 'unverified'` gives up the protection. Then: sluice doctor",
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault SR-12.',
  }),
  'Connection.Unreachable': entry<{ connection: string; address: string; why: string }>({
    code: 'SLU3106',
    title: 'A server cannot be reached.',
    message: ({ connection, address, why }) =>
      `The connection "${connection}" could not be opened at ${address}: ${why}.`,
    hint: () => 'Nothing was changed. When the server is up, do the same again; a run that failed: sluice retry',
    retry: 'transient',
    exit: 3,
  }),
  'Connection.Lost': entry<{ connection: string; procedure: string; rows: number; why: string }>({
    code: 'SLU3107',
    title: 'A connection was lost during a call.',
    message: ({ connection, procedure, rows, why }) =>
      `The connection "${connection}" was lost while ${procedure} was running, after ${rows} rows: ${why}.`,
    hint: () => `${kept} The call is made again, whole, by: sluice retry`,
    retry: 'transient',
    exit: 3,
    explanation: 'Fault SR-01.',
  }),
  'Connection.Deadlock': entry<{ procedure: string; code: string; why: string }>({
    code: 'SLU3108',
    title: 'The server gave a call up in favour of another.',
    message: ({ procedure, code, why }) => `${procedure} was ended by the server (${code}): ${why}.`,
    hint: () => `${kept} The call is made again, whole, by: sluice retry`,
    retry: 'transient',
    exit: 1,
    explanation: 'Fault SR-09: deadlock victims, lock timeouts and fail-overs.',
  }),
  'Connection.Timeout': entry<{ procedure: string; seconds: number; rows: number }>({
    code: 'SLU3109',
    title: 'A call took too long.',
    message: ({ procedure, seconds, rows }) =>
      `${procedure} did not end within ${seconds} seconds (${rows} rows had come); its connection was dropped.`,
    hint: () => `${kept} Raise \`timeoutSeconds\` of the source where the procedure is that slow, then: sluice retry`,
    retry: 'transient',
    exit: 1,
    explanation: 'Fault SR-09.',
  }),
  'Connection.CallFailed': entry<{
    procedure: string
    code: string
    severity: number
    why: string
    rows: number
    more: number
  }>({
    code: 'SLU3110',
    title: 'A procedure raised an error.',
    message: ({ procedure, code, severity, why, rows, more }) =>
      `${procedure} raised error ${code}${severity > 0 ? ` (severity ${severity})` : ''}: ${why}. ${rows === 0 ? 'No rows had come' : `The ${rows} rows that had come were discarded`}${more > 0 ? `; ${more} more errors are in the execution log` : ''}.`,
    hint: () => `${kept} When the procedure is mended, run: sluice retry`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault SR-02: an error before, between or after rows discards all of them.',
  }),
  'Connection.Forbidden': entry<{ connection: string; procedure: string; user: string; why: string }>({
    code: 'SLU3111',
    title: 'A login may not call a procedure.',
    message: ({ connection, procedure, user, why }) =>
      `The user "${user}" of the connection "${connection}" may not call ${procedure}: ${why}.`,
    hint: ({ procedure, user }) => `Ask for: GRANT EXECUTE ON ${procedure} TO ${user}. Then: sluice retry`,
    retry: 'terminal',
    exit: 3,
    explanation: 'Fault SR-10.',
  }),
  'Connection.NoProcedure': entry<{ connection: string; procedure: string; why: string }>({
    code: 'SLU3112',
    title: 'There is no such procedure.',
    message: ({ connection, procedure, why }) =>
      `The server of the connection "${connection}" has no procedure ${procedure} with these parameters: ${why}.`,
    hint: ({ connection }) => `See what there is: sluice crawl ${connection}`,
    retry: 'terminal',
    exit: 1,
  }),
  'Connection.InvalidName': entry<{ name: string; why: string }>({
    code: 'SLU3113',
    title: 'A name cannot be sent to the server.',
    message: ({ name, why }) => `"${name}" is no name of a procedure or parameter: ${why}.`,
    hint: () => 'Nothing was sent. Correct the name in the source, then: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Fault SR-11. A name is one to three parts, checked for length and quoted part by part; it is never a piece of SQL.',
  }),
  'Connection.ValueTooLong': entry<{ parameter: string; length: number; limit: number }>({
    code: 'SLU3114',
    title: 'A parameter is longer than the server takes.',
    message: ({ parameter, length, limit }) =>
      `The value of the parameter "${parameter}" has ${length} characters; the server takes ${limit}, and would cut it in silence.`,
    hint: () => 'Nothing was sent. Shorten the value, then: sluice run',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault SR-11.',
  }),
  'Connection.ValueInvalid': entry<{ parameter: string; type: string; why: string }>({
    code: 'SLU3115',
    title: 'A parameter is no value of its type.',
    message: ({ parameter, type, why }) => `The value of the parameter "${parameter}" is no ${type}: ${why}.`,
    hint: () => 'Nothing was sent. Correct the value in the source, then: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault SR-06: parameters are sent as exact text, never through a floating-point number.',
  }),
  'Connection.Protocol': entry<{ connection: string; why: string }>({
    code: 'SLU3116',
    title: 'A server answered in a way that cannot be understood.',
    message: ({ connection, why }) =>
      `The server of the connection "${connection}" sent what cannot be decoded without loss: ${why}.`,
    hint: () => `${kept} Please report it with: sluice runs logs`,
    retry: 'terminal',
    exit: 1,
  }),
  'Connection.Cancelled': entry<{ procedure: string; rows: number }>({
    code: 'SLU3117',
    title: 'A call was cancelled.',
    message: ({ procedure, rows }) => `${procedure} was cancelled after ${rows} rows; its connection was dropped.`,
    hint: () => `${kept} To do it after all, run: sluice retry`,
    retry: 'terminal',
    exit: 1,
  }),
  'Connection.NotSupported': entry<{ where: string; what: string; why: string; instead: string }>({
    code: 'SLU3118',
    title: 'The driver of a server cannot do what a connection asks for.',
    message: ({ where, what, why }) => `${where} asks for ${what}, which the driver (tedious) cannot do: ${why}.`,
    hint: ({ instead }) => instead,
    retry: 'terminal',
    exit: 2,
  }),
  'Connection.Pooled': entry<{ connection: string; what: string }>({
    code: 'SLU3198',
    title: 'A pooler is between Sluice and a PostgreSQL server.',
    message: ({ connection, what }) =>
      `The connection "${connection}" ends at a pooler, which may lend another session of the server for each transaction, and ${what}.`,
    hint: () => 'Nothing was read or written. Let the connection name the server itself. Then: sluice doctor',
    retry: 'terminal',
    exit: 2,
    explanation:
      'The process that a pooler names at the login is not the one that answers. Loads, queries, functions and procedures work behind a pooler, because each is one transaction with its own settings; changes of a database are read by sessions that last.',
  }),
  'Connection.Unsettled': entry<{ connection: string; settings: string }>({
    code: 'SLU3199',
    title: 'A PostgreSQL session has settings that cannot be changed.',
    message: ({ connection, settings }) =>
      `A transaction of the connection "${connection}" needs its own settings, and the session still has: ${settings}.`,
    hint: () =>
      'Nothing was read or written. Another client of the same pooler has probably made them; let the pooler reset its sessions (server_reset_query), or connect to the server itself. Then: sluice doctor',
    retry: 'transient',
    exit: 3,
    explanation:
      'A pooler in transaction mode lends sessions that other clients have changed. Sluice makes every setting that it depends on inside of each transaction, and reads them back before it does anything else.',
  }),
} as const
