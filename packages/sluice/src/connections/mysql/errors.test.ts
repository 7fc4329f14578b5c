import { expect, test } from 'vitest'
import type { ConnectionSettings } from '../connection.ts'
import { callError, connectError } from './errors.ts'

const settings: ConnectionSettings = {
  ...{ name: 'shop', kind: 'mysql', host: 'db', port: 3306, database: 'erp', user: 'reader', password: 'secret' },
  ...{ tls: 'verified', connectTimeoutSeconds: 15 },
}

const server = (errno: number) => Object.assign(new Error('said.'), { errno, sqlState: '45000', code: 'ER_X' })

test.each([
  [1205, 'Connection.Deadlock', true],
  [1213, 'Connection.Deadlock', true],
  [1290, 'Connection.Deadlock', true],
  [1927, 'Connection.Lost', true],
  [1053, 'Connection.Lost', true],
  [1370, 'Connection.Forbidden', false],
  [1305, 'Connection.NoProcedure', false],
  [1644, 'Connection.CallFailed', false],
] as const)('SR-09: error %i of the server is %s', (errno, name, retryable) => {
  expect(callError(settings, 'p', 3, server(errno))).toMatchObject({ name, retryable })
})

test('SR-01: what is not the server’s is a lost connection, except what nobody understands', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { errno: -104, code: 'ECONNRESET' })
  expect(callError(settings, 'p', 3, reset)).toMatchObject({ name: 'Connection.Lost', params: { rows: 3 } })
  const odd = Object.assign(new Error('odd'), { code: 'PROTOCOL_UNEXPECTED_PACKET' })
  expect(callError(settings, 'p', 3, odd)).toMatchObject({ name: 'Connection.Protocol' })
})

test.each([
  [{ code: 'HANDSHAKE_SSL_ERROR' }, 'Connection.Tls'],
  [{ code: 'HANDSHAKE_NO_SSL_SUPPORT' }, 'Connection.Tls'],
  [{ code: 'ER_ACCESS_DENIED_ERROR', errno: 1045 }, 'Connection.LoginFailed'],
  [{ code: 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED' }, 'Connection.LoginFailed'],
  [{ code: 'ER_CON_COUNT_ERROR', errno: 1040 }, 'Connection.Unreachable'],
  [{ code: 'ECONNREFUSED', errno: -111 }, 'Connection.Unreachable'],
] as const)('SR-10, SR-12: connecting ends with %j as %s', (parts, name) => {
  expect(connectError(settings, Object.assign(new Error('said.'), parts))).toMatchObject({ name })
})
