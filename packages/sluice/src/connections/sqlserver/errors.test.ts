import { expect, test } from 'vitest'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { callError, connectError, lostError } from './errors.ts'

const settings: ConnectionSettings = {
  name: 'erp',
  kind: 'sqlserver',
  host: 'db.test',
  port: 1433,
  database: 'erp',
  user: 'reader',
  password: 'hunter2',
  tls: 'verified',
  connectTimeoutSeconds: 15,
}
const word = (number: number, text = 'Why.', severity = 16) => ({ number, class: severity, text })

test.each([
  [1205, 'Connection.Deadlock'],
  [1222, 'Connection.Deadlock'],
  [40613, 'Connection.Deadlock'],
  [229, 'Connection.Forbidden'],
  [2812, 'Connection.NoProcedure'],
  [201, 'Connection.NoProcedure'],
  [8144, 'Connection.NoProcedure'],
  [8145, 'Connection.NoProcedure'],
  [8146, 'Connection.NoProcedure'],
  [50_000, 'Connection.CallFailed'],
])('error %i of a call is %s', (number, name) => {
  expect(callError([word(number)], settings, 'dbo.p', 5).name).toBe(name)
})

test('SR-09: a deadlock anywhere decides, else the first error; the others are counted', () => {
  expect(callError([word(50_000), word(1205)], settings, 'p', 0).retryable).toBe(true)
  const failed = callError([word(50_000, 'First.'), word(8134), word(3621)], settings, 'p', 2)
  expect(failed.params).toMatchObject({ code: '50000', severity: 16, why: 'First', rows: 2, more: 2 })
})

test('an error that has no number of its own is told by its text', () => {
  const unmapped = (text: string) => callError([word(33_557_097, text)], settings, 'p', 0).name
  expect(unmapped('permission denied for procedure p')).toBe('Connection.Forbidden')
  expect(unmapped('procedure p does not exist')).toBe('Connection.NoProcedure')
  expect(unmapped('function nope() does not exist')).toBe('Connection.NoProcedure')
  expect(unmapped("Could not find stored procedure 'p'.")).toBe('Connection.NoProcedure')
  expect(unmapped('deadlock detected')).toBe('Connection.Deadlock')
  expect(unmapped('terminating connection due to administrator command')).toBe('Connection.Deadlock')
  expect(unmapped('relation "x" does not exist')).toBe('Connection.CallFailed')
  const starting = word(33_557_097, 'the database system is starting up')
  expect(connectError(new Error('x'), settings, [starting]).name).toBe('Connection.Unreachable')
})

const socketError = (code: string, message = 'inner') =>
  new Error('Failed to connect', { cause: Object.assign(new Error(message), { code }) })

test.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'Connection.Tls'],
  ['CERT_HAS_EXPIRED', 'Connection.Tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'Connection.Tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'Connection.Tls'],
  ['ECONNREFUSED', 'Connection.Unreachable'],
  ['ENOTFOUND', 'Connection.Unreachable'],
])('SR-12: %s while connecting is %s, with the innermost reason', (code, name) => {
  const error = connectError(socketError(code), settings, [])
  expect([error.name, error.params['why']]).toEqual([name, 'inner'])
})

test('SR-10: a refused login is never transient, and an unavailable database is', () => {
  expect(connectError(new Error('x'), settings, [word(18_456)])).toMatchObject({
    name: 'Connection.LoginFailed',
    retryable: false,
  })
  expect(connectError(new Error('x'), settings, [word(40_613)])).toMatchObject({
    name: 'Connection.Unreachable',
    retryable: true,
  })
})

test('what was already told is told as it is; no error holds the password', () => {
  const known = sluiceError('Connection.Tls', { connection: 'erp', host: 'db.test', why: 'no encryption' })
  expect(connectError(new Error('x', { cause: known }), settings, [])).toBe(known)
  const lost = lostError(socketError('ECONNRESET'), settings, 'p', 3)
  expect(isSluiceError(lost, 'Connection.Lost') && lost.params).toMatchObject({ rows: 3, why: 'inner' })
  expect(JSON.stringify(lost.params)).not.toContain('hunter2')
})

test('what Microsoft Entra ID refuses is a refused login, in its own words; a network that fails is not', () => {
  const token = new Error('Security token could not be authenticated or authorized.')
  const said = (cause: Error) => connectError(new AggregateError([token, cause]), { ...settings, user: '' }, [])
  const refused = said(
    Object.assign(new Error('invalid_client: AADSTS7000215:\n Invalid client secret provided.'), {
      name: 'AuthenticationError',
    }),
  )
  expect(refused.name).toBe('Connection.LoginFailed')
  expect(refused.message).toContain('refused the login: invalid_client: AADSTS7000215: Invalid client secret provided.')
  const nobody = Object.assign(new Error('no identity'), { name: 'CredentialUnavailableError' })
  expect(said(nobody).name).toBe('Connection.LoginFailed')
  expect(said(new Error('getaddrinfo ENOTFOUND login.microsoftonline.com')).name).toBe('Connection.Unreachable')
})
