/** The driver's and the server's errors, as entries of the registry. */
import { isSluiceError, type SluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { grantFor } from './rights.ts'
import type { ServerWord } from './tokens.ts'

/** Deadlocks, lock timeouts, snapshot conflicts, and what Azure says while it moves or throttles a database: the same call may succeed. */
const transient: ReadonlySet<number> = new Set([
  596, 921, 983, 1204, 1205, 1222, 3960, 4221, 6005, 10928, 10929, 18401, 40143, 40166, 40197, 40501, 40540, 40613,
  42108, 42109, 49918, 49919, 49920,
])

/** EXECUTE or something below it is denied. */
const forbidden: ReadonlySet<number> = new Set([229, 230, 262, 297, 300, 916, 15247])

/** No such procedure, or not with these parameters. */
const unknown: ReadonlySet<number> = new Set([201, 2812, 8144, 8145, 8146, 8162])

type Kind = 'transient' | 'forbidden' | 'unknown' | 'failed'

/** Babelfish's number for every error of PostgreSQL that it has no number for; its text tells, by the words of PostgreSQL. */
const unmapped = 33_557_097
const unmappedKinds: readonly (readonly [Kind, RegExp])[] = [
  [
    'transient',
    /^(deadlock detected|could not serialize access|terminating connection|the database system is|sorry, too many|remaining connection slots)/i,
  ],
  ['forbidden', /^permission denied/i],
  ['unknown', /^could not find stored procedure|^(procedure|function) .*does not exist/i],
]

function kindOf({ number, text }: ServerWord): Kind {
  if (number === unmapped) return unmappedKinds.find(([, words]) => words.test(text))?.[0] ?? 'failed'
  if (transient.has(number)) return 'transient'
  if (forbidden.has(number)) return 'forbidden'
  return unknown.has(number) ? 'unknown' : 'failed'
}

/** In one line, with one full stop less, for a place inside a sentence. */
const phrase = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')

/**
 * The error of a call for which the server raised these, in order: a deadlock anywhere is a deadlock, else the first one decides.
 *
 * @example throw callError([{ number: 1205, class: 13, text: '…' }], settings, 'dbo.usp_x', 0)
 */
export function callError(
  errors: readonly ServerWord[],
  settings: ConnectionSettings,
  procedure: string,
  rows: number,
): SluiceError {
  const first = errors.find((error) => kindOf(error) === 'transient') ?? errors[0]!
  const code = String(first.number)
  const why = phrase(first.text)
  const connection = settings.name
  const user = userOf(settings)
  switch (kindOf(first)) {
    case 'transient':
      return sluiceError('Connection.Deadlock', { procedure, code, why })
    case 'forbidden':
      return sluiceError('Connection.Forbidden', {
        ...{ connection, procedure, user, why, grant: grantFor(first, user) },
      })
    case 'unknown':
      return sluiceError('Connection.NoProcedure', { connection, procedure, why })
    case 'failed':
      return sluiceError('Connection.CallFailed', {
        procedure,
        code,
        severity: first.class,
        why,
        rows,
        more: errors.length - 1,
      })
  }
}

/** Who logs in, as the server calls it. */
const userOf = ({ user, login }: ConnectionSettings): string =>
  login?.kind === 'ntlm' ? `${login.domain}\\${user}` : user

/** The causes of an error, outermost first. */
function causes(error: unknown): readonly (Error & { readonly code?: unknown })[] {
  const found: Error[] = []
  // What the driver says of a token comes first, and why it got none after it.
  for (let e = error; e instanceof Error; e = e.cause ?? (e instanceof AggregateError ? e.errors.at(-1) : undefined))
    found.push(e)
  return found
}

/** The server's certificate cannot be trusted. */
const unverified = /^(ERR_TLS|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_|INVALID_CA)/
/** Both sides find no way to encrypt. */
const noTls = /^(ERR_SSL|ERR_OSSL|EPROTO)/

/**
 * The error of a connection that did not open.
 *
 * @param refusals what the server said to the login
 */
export function connectError(
  error: unknown,
  settings: ConnectionSettings,
  refusals: readonly ServerWord[],
): SluiceError {
  const { name: connection, host, port, instance } = settings
  const user = userOf(settings)
  const [refusal] = refusals
  const found = causes(error)
  const known = found.find((cause) => isSluiceError(cause))
  if (known !== undefined) return known as SluiceError
  const isUnverified = found.some(({ code }) => unverified.test(String(code)))
  const older =
    settings.tls === 'strict' && refusal === undefined && !isUnverified
      ? "; TDS 8 (tls: 'strict') needs SQL Server 2022 or later"
      : ''
  const why = phrase(refusal?.text ?? found.at(-1)?.message ?? 'the driver gave no reason') + older
  if (refusal !== undefined && kindOf(refusal) !== 'transient')
    return sluiceError('Connection.LoginFailed', { connection, user, why }, { cause: error })
  if (refusal === undefined && found.some(isRefusedByEntra))
    return sluiceError('Connection.LoginFailed', { connection, user, why }, { cause: error })
  if (found.some(({ code }) => code === 'EENCRYPT'))
    return sluiceError(
      'Connection.Tls',
      { connection, host, why: 'it takes no connection without TLS' },
      { cause: error },
    )
  if (refusal === undefined && (isUnverified || found.some(({ code }) => noTls.test(String(code)))))
    return sluiceError('Connection.Tls', { connection, host, why }, { cause: error })
  const address = instance === undefined ? `${host}:${port}` : `${host}\\${instance}`
  return sluiceError('Connection.Unreachable', { connection, address, why }, { cause: error })
}

/** Whether Microsoft Entra ID gave an answer (each has a number), or nothing on this machine could ask it; a network that fails is neither. */
const isRefusedByEntra = ({ name, message }: Error): boolean =>
  /AADSTS\d+/.test(message) || ['CredentialUnavailableError', 'AggregateAuthenticationError'].includes(name)

/** The error of a connection that was cut during a call. */
export function lostError(error: unknown, settings: ConnectionSettings, procedure: string, rows: number): SluiceError {
  const why = phrase(causes(error).at(-1)?.message ?? 'the socket was closed')
  return sluiceError('Connection.Lost', { connection: settings.name, procedure, rows, why }, { cause: error })
}
