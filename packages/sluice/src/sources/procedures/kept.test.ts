import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import type { Cell, Connection, ProcedureCall, ResultColumn } from '../../connections/connection.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import { type KeptCalls, keepCall, keptCall, keptSql, usingSet } from './kept.ts'

const engine = duckDbEngine({ memoryLimit: '256MB', threads: 2, tempDirectory: tmpdir() })
const root = mkdtempSync(join(tmpdir(), 'sluice-kept-'))
afterEach(() => rmSync(root, { recursive: true, force: true }))

const columns: readonly ResultColumn[] = [
  { name: 'id', type: 'integer', serverType: 'int' },
  { name: 'note', type: 'text', serverType: 'nvarchar(9)' },
]
const notes: readonly Cell[] = ['', null, '\0not UTF-16: 3dd8', 'Ünal 😀', '"\r\n,']
const call: ProcedureCall = { procedure: 'dbo.usp_x', parameters: [], output: [], timeoutMs: 1000 }
const connection = {
  async call(_call: ProcedureCall, sink: Parameters<Connection['call']>[1]) {
    for (const set of [1, 2, 3])
      if (sink.columns(set, columns)) await sink.rows(set, [notes.map(String), notes], notes.length)
    return { rows: [5, 5, 5], output: { total: '15' } }
  },
} as unknown as Connection

test('what a call returned is kept to the last character, for as long as it is what was written', async () => {
  await using session = await engine.open()
  const state = diskStorage(join(root, 'state'))
  await state.write('calls/x/run-0/old.parquet', 'of a run before')
  const calls: KeptCalls = { state, clock: systemClock, folder: 'calls/x', run: 'run-1', sets: new Set([1, 2]) }
  const context = { session, inTurn: <T>(work: () => Promise<T>) => work(), scratch: join(root, 'scratch') }
  const more = { otherSets: new Set([3]), signal: new AbortController().signal }
  expect(await keptCall(calls, call, 2)).toBeUndefined()
  const made = await keepCall(connection, calls, call, { ...context, ...more })
  const kept = await keptCall(calls, { ...call, timeoutMs: 2000 }, 2)
  expect(kept).toEqual(made)
  expect(kept?.sets.map(({ set, rows }) => [set, rows])).toEqual([
    [1, 5],
    [2, 5],
  ])
  expect(kept?.end).toEqual({ rows: [5, 5, 5], output: { total: '15' } })
  const own = kept!.sets[1]!
  const texts = await usingSet(state, own, (files) =>
    session.all(
      `SELECT _sluice_c0 AS note, _sluice_c1 AS region FROM ${keptSql(files, [1], ['EU'])} ORDER BY _sluice_row`,
    ),
  )
  expect(texts).toEqual(notes.map((note) => ({ note, region: 'EU' })))
  // Another call, another run's rest, a damaged file, a lost one.
  expect(await keptCall(calls, { ...call, parameters: [{ name: 'a', type: 'text', value: 'b' }] }, 2)).toBeUndefined()
  expect((await state.list('calls')).some(({ path }) => path.includes('run-0'))).toBe(false)
  writeFileSync(join(root, 'state', own.files[0]!.path), 'damaged')
  expect([await keptCall(calls, call, 1), await keptCall(calls, call, 2)]).toEqual([made, undefined])
  await state.remove(made.sets[0]!.files[0]!.path)
  expect(await keptCall(calls, call, 1)).toBeUndefined()
})

test('SR-04: a set that nobody takes ends the call, and nothing is kept', async () => {
  await using session = await engine.open()
  const state = diskStorage(join(root, 'state'))
  const calls: KeptCalls = { state, clock: systemClock, folder: 'calls/x', run: 'run-1', sets: new Set([1, 2]) }
  const context = { session, inTurn: <T>(work: () => Promise<T>) => work(), scratch: join(root, 'scratch') }
  const keeping = keepCall(connection, calls, call, {
    ...context,
    otherSets: new Set(),
    signal: new AbortController().signal,
  })
  await expect(keeping).rejects.toMatchObject({ name: 'Source.ResultSet', params: { set: 3 } })
  expect(await state.list('calls')).toEqual([])
})
