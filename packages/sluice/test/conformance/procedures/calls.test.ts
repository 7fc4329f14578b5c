/** How calls end: errors, messages, result sets, output, names, time. */
import { expect, test } from 'vitest'
import type { Connection } from '../../../src/connections/connection.ts'
import { callOf, given, hear, keeping } from './server.ts'
import { onEachServer } from './servers.ts'

await onEachServer('calls', (start, { connector }) => {
  const never = new AbortController().signal
  const connect = async (): Promise<Connection> => connector.connect((await start()).settings, never)

  for (const moment of ['before', 'between', 'after', 'within'] as const) {
    test(`SR-02: an error ${moment} rows fails the call`, async () => {
      const { errorCodes } = await start()
      await using connection = await connect()
      await expect(hear(connection, callOf(`error_${moment}`, { timeoutMs: 30_000 }))).rejects.toMatchObject({
        name: 'Connection.CallFailed',
        params: { procedure: `error_${moment}`, code: errorCodes[moment] },
      })
    })
  }

  test('SR-02: after a failed call, a new connection calls as if nothing had been', async () => {
    const first = await connect()
    await expect(hear(first, callOf('error_after'))).rejects.toThrow('broken after')
    await first.close()
    await using second = await connect()
    expect((await hear(second, callOf('two_sets'))).sets).toHaveLength(2)
  })

  test('SR-03: an informational message is heard, and the call is a success', async () => {
    await using connection = await connect()
    const { sets, messages } = await hear(connection, callOf('messages'))
    expect(sets[0]?.rows).toHaveLength(1)
    expect(messages.map(({ text }) => text)).toContain('only so that you know')
    expect(messages.every(({ severity }) => severity <= 10)).toBe(true)
  })

  test('an empty result has a schema', async () => {
    await using connection = await connect()
    const { sets, end } = await hear(connection, callOf('nothing'))
    expect(sets.map(({ columns, rows }) => [columns.map(({ name }) => name), rows])).toEqual([[['id', 'label'], []]])
    expect(end.rows).toEqual([0])
  })

  test('SR-04: a procedure without a result set has none', async () => {
    await using connection = await connect()
    expect((await hear(connection, callOf('no_set'))).sets).toEqual([])
  })

  test('SR-04: several result sets come apart, in order, each with its columns', async () => {
    await using connection = await connect()
    const { sets, end } = await hear(connection, callOf('two_sets'))
    expect(sets.map(({ columns }) => columns.map(({ name }) => name))).toEqual([['a'], ['b', 'c']])
    expect(sets.map(({ rows }) => rows)).toEqual([[['1']], [['x', 'y']]])
    expect(end.rows).toEqual([1, 1])
  })

  test('SR-04: the rows of a set that is not wanted are not handed on, and the others are', async () => {
    await using connection = await connect()
    const sink = keeping()
    const columns = sink.columns
    const call = connection.call(
      callOf('two_sets'),
      { ...sink, columns: (set, all) => columns(set, all) && set === 2 },
      never,
    )
    expect((await call).rows).toHaveLength(2)
    expect(sink.sets.map(({ rows }) => rows)).toEqual([[], [['x', 'y']]])
  })

  test('output parameters, and the return code where there is one, are exact', async () => {
    const { parameter, returnCode } = await start()
    await using connection = await connect()
    const { sets, end } = await hear(
      connection,
      callOf('outputs', {
        parameters: [given(parameter('given'), '7', 'integer')],
        output: [
          { name: parameter('total'), type: 'bigint' },
          { name: parameter('said'), type: 'text' },
        ],
      }),
    )
    expect(end.output).toEqual({ [parameter('total')]: '9007199254740993', [parameter('said')]: 'done' })
    expect(end.returnCode).toBe(returnCode)
    if (returnCode !== undefined) expect(sets[0]?.rows).toEqual([['7']])
  })

  test('SR-09: a deadlock victim may be called again', async () => {
    await using connection = await connect()
    const error = await hear(connection, callOf('deadlock_victim')).catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Connection.Deadlock', retryable: true })
  })

  test('SR-09: a call that is too slow is dropped, and may be repeated', async () => {
    await using connection = await connect()
    const error = await hear(connection, callOf('wait_long', { timeoutMs: 1000 })).catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Connection.Timeout', retryable: true, params: { seconds: 1 } })
    expect(connection.isUsable).toBe(false)
  })

  test('SR-10: a procedure without the permission is refused, by name', async () => {
    const { settings } = await start()
    await using connection = await connect()
    await expect(hear(connection, callOf('forbidden'))).rejects.toMatchObject({
      name: expect.stringMatching(/^Connection\.(Forbidden|NoProcedure)$/),
      params: { connection: settings.name, procedure: 'forbidden' },
    })
  })

  test('SR-04: a procedure that is not there is no success', async () => {
    await using connection = await connect()
    await expect(hear(connection, callOf('no_such_procedure'))).rejects.toMatchObject({
      // MariaDB tells nobody what there is not.
      name: expect.stringMatching(/^Connection\.(Forbidden|NoProcedure)$/),
      params: { procedure: 'no_such_procedure' },
    })
  })

  test('SR-11: names that look like SQL are names', async () => {
    const { oddNames } = await start()
    await using connection = await connect()
    for (const name of oddNames) {
      const { sets } = await hear(connection, callOf(name))
      expect(sets[0]?.rows, name).toEqual([['found']])
    }
  })

  test('SR-11: names that cannot be are refused before anything is sent', async () => {
    for (const name of ['', '.', 'a..b', 'nul\0l', 'n'.repeat(connector.maxNameLength + 1), 'a.b.c.d.e']) {
      await using connection = await connect()
      const error = await hear(connection, callOf(name)).catch((error: unknown) => error)
      expect(error, name).toMatchObject({ name: 'Connection.InvalidName', retryable: false })
    }
  })

  test('SR-11: values that look like SQL are values', async () => {
    const { parameter } = await start()
    await using connection = await connect()
    for (const value of ["'; DROP TABLE kept; --", '"x"', '\\', "\\'", '?', '$1', '@p1', '`', '\u2019', '𝄞']) {
      const parameters = [given(parameter('value'), value)]
      expect((await hear(connection, callOf('long_text', { parameters }))).sets[0]?.rows, value).toEqual([[value]])
    }
  })

  test('SR-11: a value that the server would cut is refused before anything is sent', async () => {
    const { parameter, cutsLongValues } = await start()
    await using connection = await connect()
    const parameters = [given(parameter('value'), 'n'.repeat(11))]
    const answer = await hear(connection, callOf('short_text', { parameters })).catch((error: unknown) => error)
    if (cutsLongValues)
      expect(answer).toMatchObject({ name: 'Connection.ValueTooLong', params: { length: 11, limit: 10 } })
    else expect(answer).toMatchObject({ sets: [{ rows: [['n'.repeat(11)]] }] })
  })

  test('SR-14: the session has our settings, not the server’s, nor those of the procedure before', async () => {
    const { session } = await start()
    await using connection = await connect()
    const settings = async () => {
      const { sets } = await hear(connection, callOf('session_settings'))
      const names = sets[0]?.columns.map(({ name }) => name) ?? []
      return Object.fromEntries(names.map((name, index) => [name, sets[0]?.rows[0]?.[index]]))
    }
    expect(await settings()).toEqual(session)
    await hear(connection, callOf('changes_session'))
    expect(await settings()).toEqual(session)
  })

  test('what may be called is described, with its parameters', async () => {
    const { parameter } = await start()
    await using connection = await connect()
    const all = await connection.describe()
    expect(all.some(({ procedure }) => /(^|\.)nothing$/.test(procedure))).toBe(true)
    expect(all.every(({ procedure }) => !/(^|\.)forbidden$/.test(procedure))).toBe(true)
    const [one, ...more] = await connection.describe('outputs')
    expect(more).toEqual([])
    expect(one?.parameters.map(({ name, type, output }) => [name, type, output])).toEqual([
      [parameter('given'), 'integer', false],
      [parameter('total'), 'bigint', true],
      [parameter('said'), 'text', true],
    ])
  })
})
