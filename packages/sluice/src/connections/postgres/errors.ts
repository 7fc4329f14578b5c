/**
 * What the driver and the server say, as errors of the registry.
 *
 * SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { isSluiceError, type SluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { grantFor } from './rights.ts'

/** A failed call: whose, and how far it had come. */
export interface FailedCall {
  readonly settings: Pick<ConnectionSettings, 'name' | 'user'>
  readonly procedure: string
  readonly rows: number
}

/**
 * SQLSTATEs that say nothing about the statement: the same may succeed a moment later. 57014 is an administrator who cancelled it, or a limit that the
 * function itself has set: our own limit drops the connection before the server's ends.
 */
const passing = /^(40001|40P01|55P03|57014|57P0[1-5]|53...|58...)$/

/**
 * The SQLSTATE of an error that the server raised; undefined for errors of the network, of the driver, and of ours.
 *
 * @example sqlState(error) === '23505'
 */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  // Only what came in an ErrorResponse has a severity; the network's codes (`EPIPE`) have five letters, too.
  return typeof code === 'string' && typeof severity === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Whether the connection is gone, so that nobody knows what the server did with the last statement. */
export function isLost(error: unknown): boolean {
  if (isSluiceError(error)) return false
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (sqlState(error) !== undefined) return /^(08...|57P0[1-3])$/.test(code as string)
  return (
    /^(ECONNRESET|EPIPE|ETIMEDOUT|ENETRESET|ENETDOWN|EHOSTUNREACH|ERR_STREAM_DESTROYED)$/.test(String(code)) ||
    /^(Connection terminated|Client has encountered a connection error|Client was closed|This socket has been ended)/.test(
      String(message),
    )
  )
}

/**
 * Why a connection could not be opened.
 *
 * @returns Connection.LoginFailed, Connection.Tls, or Connection.Unreachable
 */
export function connectError(error: unknown, settings: ConnectionSettings): SluiceError {
  if (isSluiceError(error)) return error
  const { name: connection, host, port, user } = settings
  const why = text(error, settings.password)
  const state = sqlState(error)
  // 3D000: the database does not exist, which the server tells only after the login; 42501: no CONNECT privilege.
  if (state !== undefined && (/^(28|3D000)/.test(state) || state === '42501'))
    return sluiceError('Connection.LoginFailed', { connection, user, why }, { cause: error })
  // The driver's own complaint about the password exchange, before the server could judge.
  if (/^SASL|password must be a string/i.test(why))
    return sluiceError('Connection.LoginFailed', { connection, user, why }, { cause: error })
  if (isTls(error)) return sluiceError('Connection.Tls', { connection, host, why }, { cause: error })
  return sluiceError('Connection.Unreachable', { connection, address: `${host}:${port}`, why }, { cause: error })
}

/** Whether TLS failed; the driver then has sent no more than its wish for TLS. */
function isTls(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return (
    /^(ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      String(code),
    ) || /SSL connection/.test(String(message))
  )
}

/**
 * Why a call failed.
 *
 * @returns Connection.Lost, Connection.Deadlock, Connection.Forbidden, Connection.NoProcedure, or Connection.CallFailed
 */
export function callError(error: unknown, failed: FailedCall): SluiceError {
  if (isSluiceError(error)) return error
  const { procedure, rows } = failed
  const { name: connection, user } = failed.settings
  const state = sqlState(error)
  const why = text(error)
  const cause = { cause: error }
  if (isLost(error) || state === undefined)
    return sluiceError('Connection.Lost', { connection, procedure, rows, why }, cause)
  if (passing.test(state)) return sluiceError('Connection.Deadlock', { procedure, code: state, why }, cause)
  if (state === '42501') {
    const grant = grantFor(String((error as Error).message), user, procedure)
    return sluiceError('Connection.Forbidden', { connection, procedure, user, why, grant }, cause)
  }
  // With a context it was raised inside: the function itself calls another one that does not exist.
  if ((state === '42883' || state === '3F000') && !hasContext(error))
    return sluiceError('Connection.NoProcedure', { connection, procedure, why }, cause)
  return sluiceError('Connection.CallFailed', { procedure, code: state, severity: 0, why, rows, more: 0 }, cause)
}

/** Whether the error was raised inside of a function. */
function hasContext(error: unknown): boolean {
  return typeof (error as { where?: unknown }).where === 'string'
}

/** One line without a full stop, and never with the password. */
function text(error: unknown, password = ''): string {
  const { message, detail, code } = (error ?? {}) as { message?: unknown; detail?: unknown; code?: unknown }
  const said = String(message || code || error)
  const all = typeof detail === 'string' ? `${said} (${detail})` : said
  const line = all.replace(/\s+/g, ' ').trim().replace(/\.$/, '')
  return password === '' ? line : line.replaceAll(password, '…')
}
