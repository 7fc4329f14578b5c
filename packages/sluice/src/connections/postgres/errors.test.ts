import { describe, expect, test } from 'vitest'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { callError, connectError, isLost, sqlState } from './errors.ts'

const settings: ConnectionSettings = {
  ...{
    name: 'erp',
    kind: 'postgres',
    host: 'db.test',
    port: 5432,
    database: 'erp',
    user: 'reader',
    password: 'hunter2',
  },
  ...{ tls: 'verified', connectTimeoutSeconds: 5 },
}
const raised = (code: string, more: object = {}) =>
  Object.assign(new Error('it says so.'), { code, severity: 'ERROR', ...more })
const network = (code: string, message = 'it says so') => Object.assign(new Error(message), { code })

describe('errors', () => {
  test('SR-10, SR-12: opening a connection', () => {
    const named = (error: unknown) => connectError(error, settings).name
    for (const code of ['28P01', '28000', '3D000', '42501']) expect(named(raised(code))).toBe('Connection.LoginFailed')
    for (const code of ['53300', '57P03', '08006']) expect(named(raised(code))).toBe('Connection.Unreachable')
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH'])
      expect(named(network(code))).toBe('Connection.Unreachable')
    for (const code of [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'CERT_HAS_EXPIRED',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'EPROTO',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
    ])
      expect(named(network(code))).toBe('Connection.Tls')
    expect(named(new Error('The server does not support SSL connections'))).toBe('Connection.Tls')
    expect(named(new Error('timeout expired'))).toBe('Connection.Unreachable')
  })

  test('SR-10: the password is in no text', () => {
    const error = connectError(raised('28P01', { message: 'no "hunter2" here', detail: 'hunter2' }), settings)
    expect(`${error.message} ${error.hint}`).not.toContain('hunter2')
  })

  test('SR-01, SR-02, SR-09: a failed call', () => {
    const named = (error: unknown) => callError(error, { settings, procedure: 'erp.f', rows: 3 }).name
    for (const code of ['40P01', '40001', '55P03', '57014', '53200'])
      expect(named(raised(code))).toBe('Connection.Deadlock')
    for (const code of ['57P01', '57P02', '08006']) expect(named(raised(code))).toBe('Connection.Lost')
    for (const code of ['ECONNRESET', 'EPIPE']) expect(named(network(code))).toBe('Connection.Lost')
    expect(named(new Error('Connection terminated unexpectedly'))).toBe('Connection.Lost')
    expect(named(raised('42501'))).toBe('Connection.Forbidden')
    expect(named(raised('42883'))).toBe('Connection.NoProcedure')
    expect(named(raised('42883', { where: 'PL/pgSQL function erp.f() line 3' }))).toBe('Connection.CallFailed')
    expect(named(raised('P0001'))).toBe('Connection.CallFailed')
    expect(named(sluiceError('Connection.Cancelled', { procedure: 'erp.f', rows: 0 }))).toBe('Connection.Cancelled')
    expect(
      callError(raised('P0001', { detail: 'one\ntwo' }), { settings, procedure: 'erp.f', rows: 3 }).params,
    ).toMatchObject({
      ...{ code: 'P0001', rows: 3, why: 'it says so. (one two)' },
    })
  })

  test('what the server raised is told from what the network did', () => {
    expect([sqlState(raised('23505')), sqlState(network('EPIPE')), sqlState(undefined)]).toEqual([
      '23505',
      undefined,
      undefined,
    ])
    expect([isLost(raised('40001')), isLost(raised('57P01')), isLost(new RangeError('x'))]).toEqual([
      false,
      true,
      false,
    ])
  })
})
