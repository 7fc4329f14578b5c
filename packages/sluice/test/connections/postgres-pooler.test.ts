/** Functions and procedures behind a pooler in transaction mode, whose other client leaves settings of its own in every session. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import { readingClient } from '../../src/sources/cdc/reading.ts'
import { hostileSettings, hostileSetUp, type Pooler, startPooler } from '../doubles/pooler.ts'
import {
  admin,
  call,
  connected,
  copied,
  csvRows,
  expectedRows,
  never,
  parameter,
  server,
  settings,
  take,
} from './postgres-server.ts'

let pooler: Pooler
let pooled: Partial<ConnectionSettings>
beforeAll(async () => {
  await hostileSetUp(server)
  await admin.query(
    `CREATE FUNCTION public.which() RETURNS text LANGUAGE sql AS $$ SELECT 'ours' $$; CREATE FUNCTION hostile.which() RETURNS text LANGUAGE sql AS $$ SELECT 'theirs' $$;
     CREATE TABLE public.calls (said text);
     CREATE PROCEDURE erp.note(said text, INOUT at timestamptz) LANGUAGE plpgsql AS $$ BEGIN at := '2024-02-29 12:00:00+00'; INSERT INTO calls VALUES (said); END $$`,
  )
  pooler = await startPooler(server, { left: hostileSettings })
  pooled = { port: pooler.port, tls: 'off' }
})
afterAll(() => pooler?.[Symbol.asyncDispose]())

test('SR-06, SR-14: every type, edge values exact, by rows and in bulk', async () => {
  await connected(pooled, async (connection) => {
    for (let time = 0; time < 3; time++) {
      const { sets, end } = await take(connection, call('erp.every'))
      expect(sets[0]?.rows).toEqual(expectedRows)
      expect(end).toEqual({ rows: [3], output: {} })
      const bulk = await copied(connection, call('erp.every'))
      expect(csvRows(bulk.text ?? '', expectedRows[0]?.length as number)).toEqual(expectedRows)
    }
  })
  expect(pooler.mostSessions).toBeGreaterThan(1)
})

test('a name without a schema is looked for where the login looks, and a procedure writes there', async () => {
  await connected(pooled, async (connection) => {
    for (let time = 0; time < 2; time++)
      expect((await take(connection, call('which'))).sets[0]?.rows).toEqual([['ours']])
    const note = {
      ...call('erp.note', [parameter('said', 'text', 'x'), parameter('at', 'timestamptz', null)]),
      output: [{ name: 'at', type: 'timestamptz' as const }],
    }
    expect((await take(connection, note)).end?.output).toEqual({ at: '2024-02-29 12:00:00+00' })
    expect((await connection.describe('which')).map(({ procedure }) => procedure)).toEqual(['public.which'])
  })
  expect((await admin.query('SELECT said FROM public.calls')).rows).toEqual([{ said: 'x' }])
})

test('an error undoes the call and leaves the connection usable; a procedure that ends transactions is refused by name', async () => {
  await connected(pooled, async (connection) => {
    await expect(take(connection, call('erp.fails', [parameter('after', 'bigint', '3')]))).rejects.toMatchObject({
      name: 'Connection.CallFailed',
    })
    const close = call('erp.close_month', [parameter('month', 'date', '2024-01-01'), parameter('rows', 'integer', '1')])
    await expect(take(connection, { ...close, output: [{ name: 'ok', type: 'boolean' }] })).rejects.toMatchObject({
      name: 'Connection.Pooled',
      message: expect.stringContaining('erp.close_month ends transactions itself'),
    })
    expect((await take(connection, call('which'))).sets[0]?.rows).toEqual([['ours']])
  })
  expect((await admin.query('SELECT said FROM erp.log')).rows).toEqual([])
})

test('changes are read in sessions that last, and are refused behind a pooler', async () => {
  await expect(readingClient(settings(pooled), never)).rejects.toMatchObject({ name: 'Connection.Pooled' })
})
