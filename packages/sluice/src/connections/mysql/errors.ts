/** The driver's and the server's errors, as entries of the registry. Numbers: https://mariadb.com/kb/en/mariadb-error-codes/ */
import { isSluiceError, type SluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { denied, grantFor } from './rights.ts'

interface DriverError {
  readonly message: string
  readonly code?: string
  /** The server's number; without it, the error is not the server's. */
  readonly errno?: number
  readonly sqlState?: string
}

/** Access denied (1045, 1044, 1698), unknown database (1049), host not allowed or blocked (1130, 1129), password expired (1820, 1862), account locked (3118, 4151). */
const refusedLogins = new Set([1044, 1045, 1049, 1129, 1130, 1251, 1698, 1820, 1862, 3118, 4151])
/** Lock wait timeout, deadlock, XA deadlock, record changed, statement timeouts, and a server that became read-only: a fail-over. */
const gaveUp = new Set([1020, 1205, 1213, 1290, 1614, 1792, 1969, 3024])
/** The server goes down, or ended the connection: shutdown, aborted, killed. */
const ended = new Set([1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 4031])

const why = (error: DriverError): string => error.message.replace(/\.\s*$/, '')

/**
 * What an attempt to connect ended with.
 *
 * @example throw connectError(settings, error)
 */
export function connectError(settings: ConnectionSettings, cause: unknown): SluiceError {
  if (isSluiceError(cause)) return cause
  const error = cause as DriverError
  const { name: connection, host, port, user } = settings
  if (error.code === 'HANDSHAKE_NO_SSL_SUPPORT')
    return sluiceError('Connection.Tls', { connection, host, why: 'the server offers no TLS' }, { cause })
  if (error.code === 'HANDSHAKE_SSL_ERROR')
    return sluiceError('Connection.Tls', { connection, host, why: why(error) }, { cause })
  if (error.code === 'AUTH_SWITCH_PLUGIN_ERROR' || error.code === 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED')
    return sluiceError('Connection.LoginFailed', { connection, user, why: why(error) }, { cause })
  if (error.errno !== undefined && refusedLogins.has(error.errno))
    return sluiceError('Connection.LoginFailed', { connection, user, why: why(error) }, { cause })
  return sluiceError('Connection.Unreachable', { connection, address: `${host}:${port}`, why: why(error) }, { cause })
}

/**
 * What a call ended with.
 *
 * @example throw callError(settings, 'usp_sales', 2048, error)
 * @param rows that had come until then
 */
export function callError(settings: ConnectionSettings, procedure: string, rows: number, cause: unknown): SluiceError {
  if (isSluiceError(cause)) return cause
  const error = cause as DriverError
  const { name: connection, user } = settings
  const number = error.sqlState === undefined ? undefined : error.errno
  // Beyond the server's numbers there are the system's, which are negative, and the driver's, which are names.
  if (number === undefined || ended.has(number))
    return /PROTOCOL_(?!CONNECTION_LOST)/.test(error.code ?? '')
      ? sluiceError('Connection.Protocol', { connection, why: why(error) }, { cause })
      : sluiceError('Connection.Lost', { connection, procedure, rows, why: why(error) }, { cause })
  const code = String(number)
  if (gaveUp.has(number)) return sluiceError('Connection.Deadlock', { procedure, code, why: why(error) }, { cause })
  if (denied.has(number)) {
    const grant = grantFor(why(error))
    return sluiceError('Connection.Forbidden', { connection, procedure, user, why: why(error), grant }, { cause })
  }
  if (number === 1305 || number === 1318)
    return sluiceError('Connection.NoProcedure', { connection, procedure, why: why(error) }, { cause })
  return sluiceError(
    'Connection.CallFailed',
    { procedure, code, severity: 0, why: why(error), rows, more: 0 },
    { cause },
  )
}
