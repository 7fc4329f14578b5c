/**
 * What a writer does to a table, over any storage: in a process of its own, or in this one. Its data files are not Parquet inside, only at the ends: what is
 * tested is the protocol.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import type { ExtractionLog } from '../../src/lake/extractions.ts'
import { type CommitInput, type Lake, openLake } from '../../src/lake/lake.ts'
import type { CommitRecord } from '../../src/lake/record.ts'
import { acquireLease } from '../../src/run/ledger/lease.ts'
import type { Workspace } from '../../src/run/workspace.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { delivered, fileOf, inputOf, steps, table } from './lake-model.ts'

/** A writer. */
export interface Writer {
  readonly lake: Lake
  /** A commit of these rows, a file each. */
  input(options: Partial<CommitInput>, rows: readonly string[]): Promise<CommitInput>
  /** The whole story: appends, a replacement with a quarantine, a rollback, a compaction, logs of extractions, garbage collected on the way. */
  story(): Promise<void>
}

const logOf = (at: number, status: ExtractionLog['status']): ExtractionLog => ({
  format: 1,
  table,
  run: `step-${at}`,
  connection: 'erp',
  procedure: 'dbo.usp_sales',
  status,
  startedAt: `2026-01-01T00:00:${String(at).padStart(2, '0')}.000Z`,
  calls: [{}],
  attempts: [],
})

/** @example await lakeStory(storage, state, workspace).story() */
export function lakeStory(storage: Storage, state: Storage, workspace: Workspace): Writer {
  const lake = openLake(storage, systemClock)

  async function localFile(content: string): Promise<string> {
    const file = join((await workspace.folder('worker')).folder, 'part-0.parquet')
    writeFileSync(file, fileOf(content))
    return file
  }

  async function input(options: Partial<CommitInput>, rows: readonly string[]): Promise<CommitInput> {
    const files = []
    for (const row of rows)
      files.push({ localFile: await localFile(row), rows: 1, stats: {}, fields: ['a'], partition: { day: row } })
    const [expectedParent] = [(await lake.current(table))?.version ?? 0]
    return { ...inputOf(files), expectedParent, ...options }
  }

  /** Writes all files of the table together, as one that has their rows. */
  async function compact(fencingToken: number, fence: () => Promise<void>): Promise<void> {
    const { version, files } = (await lake.current(table)) as CommitRecord
    const names = files.map(({ partition }) => partition?.['day'])
    const made = { localFile: await localFile(names.join('+')), rows: files.length, stats: {} }
    const verifyFile = async () => ({ rows: files.length })
    await lake.compact({ table, run: 'story', version, merges: [{ files, made }], fencingToken, fence, verifyFile })
  }

  async function story(): Promise<void> {
    await using lease = await acquireLease(state, ['project'], { clock: systemClock, owner: 'worker' })
    const fence = (): Promise<void> => lease.assertHeld()
    const fencingToken = lease.token
    for (const [at, step] of steps.entries()) {
      const done = (await lake.current(table))?.version ?? 0
      if (done > at) continue
      const logged = at % 3 === 0
      if (logged) await lake.writeExtraction(logOf(at, 'running'))
      if (step.rollbackTo !== undefined) {
        await lake.rollback({ table, version: step.rollbackTo, run: 'story', attempt: 1, fencingToken, fence })
      } else if (step.compact === true) {
        await compact(fencingToken, fence)
      } else {
        const quarantine =
          step.refused === undefined ? [] : [{ localFile: await localFile(step.refused), rows: 1, reasons: { bad: 1 } }]
        const { operation, rows } = step
        const inputs = at === 0 ? delivered : []
        const options = { operation, taskKey: `step-${at}`, run: 'story', fence, fencingToken, quarantine, inputs }
        const made = await input(options, rows)
        const read = rows.length + quarantine.length
        const accounting = { read, accepted: rows.length, quarantined: quarantine.length, dropped: {} }
        await lake.commit({ ...made, accounting })
      }
      if (logged) await lake.writeExtraction(logOf(at, 'committed'))
      if (step.collect === true) await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: 0 })
    }
    await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: 0 })
  }

  return { lake, input, story }
}
