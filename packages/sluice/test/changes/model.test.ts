/** Random histories of a server, through real messages and Parquet, folded: the true state at every commit, whatever the batches. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session, WrittenFile } from '../../src/engines/engine.ts'
import { history, keyText, type ModelTable, type Row, runHistory } from '../cdc/model.ts'
import { type DeliveredLog, deliver, delivery } from './deliveries.ts'
import { applyCurrent, byKey, filesSql, fold, shapeOf } from './folding.ts'

/** Acceptance asks for 2,000; the gate takes fewer. With a seed of its own, a failure is not made smaller. */
const runs = Number(process.env['SLUICE_HISTORIES'] ?? 25)
const seed = process.env['SLUICE_SEED']

const folder = mkdtempSync(join(tmpdir(), 'sluice-changes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const engine = duckDbEngine({ memoryLimit: '512MB', threads: 1 })
let number = 0

const sorted = (rows: ReadonlyMap<string, Row>): unknown =>
  [...rows].map(([key, row]) => [key, Object.entries(row).sort()]).sort((a, b) => (a[0]! < b[0]! ? -1 : 1))

type Change = Row & { readonly _op: string; readonly _lsn: string; readonly _sequence: string }

async function read<T>(session: Session, files: readonly WrittenFile[], order: string): Promise<readonly T[]> {
  return files.length === 0
    ? []
    : session.all<T>(`SELECT * FROM (${filesSql(files.map(({ file }) => file))}) ORDER BY ${order}`)
}

/** Applies a history change by change, and compares with the truth after each commit. */
function checkHistory({ moments }: DeliveredLog, table: ModelTable, changes: readonly Change[]): void {
  const rows = new Map<string, Row>()
  const columns = table.relation.columns.map(({ name }) => name)
  let at = 0
  for (const { lsn, state } of moments) {
    for (; at < changes.length && BigInt(changes[at]!._lsn) <= lsn; at++) {
      const change = changes[at]!
      const row = Object.fromEntries(columns.map((name) => [name, change[name] ?? null]))
      const key = keyText(table, row)
      expect(rows.has(key), `${change._op} of ${key}`).toBe(change._op !== 'I')
      if (change._op === 'D') rows.delete(key)
      else rows.set(key, row)
    }
    expect(sorted(rows)).toEqual(sorted(state.get(table.table)!))
  }
  expect(at).toBe(changes.length)
}

async function checkTable(session: Session, table: ModelTable, log: DeliveredLog) {
  const own = join(folder, `${number++}`)
  mkdirSync(own)
  const shape = shapeOf(table)
  const all: WrittenFile[] = []
  let current: readonly WrittenFile[] = []
  const before: string[] = []
  for (const [n, part] of log.batches.entries()) {
    const parts = { before: [...before], parts: [part] }
    const made = await fold(session, table.table, shape, 'history', parts, join(own, `history-${n}`))
    expect(made.files.reduce((sum, { rows }) => sum + rows, 0)).toBe(made.read)
    all.push(...made.files)
    const changes = await fold(session, table.table, shape, 'current', parts, join(own, `folded-${n}`))
    current = await applyCurrent(session, shape, changes.files, current, join(own, `current-${n}`))
    before.push(...part.files)
    const rows = byKey(table, await read<Row>(session, current, 'ALL'))
    expect(sorted(rows)).toEqual(sorted(log.ends[n]!.state.get(table.table)!))
  }
  const incremental = await read<Change>(session, all, '_sequence, _op')
  checkHistory(log, table, incremental)
  // From scratch it is the same, change for change.
  const whole = await fold(
    session,
    table.table,
    shape,
    'history',
    { before: [], parts: log.batches },
    join(own, 'whole'),
  )
  expect(await read<Change>(session, whole.files, 'ALL')).toEqual(await read<Change>(session, all, 'ALL'))
}

test('CD-01, CD-03, CD-04, CD-05, CD-09, CD-10, CD-12, CD-13, CD-15, CD-20, CD-24: any history is the true state at every commit, however its bytes came, and the same from scratch', async () => {
  await fc.assert(
    fc.asyncProperty(history, delivery, async (past, how) => {
      const server = runHistory(past)
      const own = join(folder, `log-${number++}`)
      mkdirSync(own)
      await using session = await engine.open()
      const log = await deliver(session, own, server, how)
      for (const table of server.tables) await checkTable(session, table, log)
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed), endOnFailure: true }) },
  )
})
