/** A lake with real files, written as runs write them: statistics, ids of fields and partitions. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { completeFile } from '../../src/engines/parquet-footer.ts'
import { type CommitInput, type Lake, openLake } from '../../src/lake/lake.ts'
import type { CommitRecord } from '../../src/lake/record.ts'
import { relationOf } from '../../src/lake/relation.ts'
import { compactTable } from '../../src/run/execution/compact.ts'
import { rewriteOlder } from '../../src/run/execution/rewrite.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'

/** How the rows of a query are committed. */
export interface Written extends Partial<Omit<CommitInput, 'monthOf'>> {
  /** The months of this column are the partitions. */
  readonly monthOf?: string
  readonly partitionBy?: readonly string[]
  /** As before there were ids in files. */
  readonly withoutIds?: boolean
}

/** @example const { commit, lake } = await icebergLake() */
export async function icebergLake(root = mkdtempSync(join(tmpdir(), 'sluice-iceberg-'))) {
  const storage = diskStorage(root)
  const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2, materialise: (path) => storage.materialise(path) })
  const session = await engine.open()
  const lagging: string[] = []
  const open = (): Lake =>
    openLake(storage, systemClock, { address: `file://${root}`, lagging: (_table, why) => lagging.push(why) })
  const lake = open()
  const workspace = openWorkspace(root)
  const signal = new AbortController().signal
  const scratch = async (name: string): Promise<string> => (await workspace.folder(name)).folder

  async function commit(table: string, sql: string, { withoutIds, partitionBy, ...options }: Written = {}) {
    const { monthOf } = options
    const fields = (await session.describe(sql)).map((column) => ({ ...column, nullable: true }))
    const query =
      monthOf === undefined
        ? sql
        : `SELECT *, year("${monthOf}")::VARCHAR AS year, lpad(month("${monthOf}")::VARCHAR, 2, '0') AS month FROM (${sql})`
    const by = monthOf === undefined ? partitionBy : ['year', 'month']
    const written = await session.write(query, {
      folder: await scratch('written'),
      ...(by === undefined ? {} : { partitionBy: by, partitionsOnly: monthOf !== undefined }),
    })
    const rows = written.reduce((sum, file) => sum + file.rows, 0)
    const current = await lake.current(table)
    const rewritten =
      current === undefined || options.operation === 'replace'
        ? []
        : await rewriteOlder({ lake, engine, scratch, signal }, current, { fields })
    const names = fields.map(({ name }) => name)
    const { record } = await lake.commit({
      ...{ table, operation: 'append', taskKey: `${Math.random()}`, definition: 'd', run: 'run', attempt: 1 },
      ...{ fencingToken: 1, fence: async () => {}, fields, rewritten },
      verifyFile: (file, ids) => completeFile(session, file, withoutIds === true ? undefined : ids),
      files: written.map(({ file, bytes: _, ...of }) => ({ ...of, localFile: file, fields: names })),
      ...{ quarantine: [], checks: [], inputs: [] },
      accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
      ...options,
    })
    return record
  }

  return {
    ...{ root, storage, engine, session, lake, open, commit, lagging },
    /** All files of the newest version as one. */
    compact: (table: string) =>
      compactTable(
        { lake, engine, workspace },
        table,
        { run: 'run', fencingToken: 1, fence: async () => {}, signal },
        ({ files }) => [files],
      ),
    /** Values as text, by our own reader. */
    async rows(record: CommitRecord, columns: readonly string[], where = 'true') {
      const chosen = columns.map((name) => `"${name}"::VARCHAR AS "${name}"`).join(', ')
      const found = await session.all<Record<string, string | null>>(
        `SELECT ${chosen} FROM ${await session.from(relationOf(record))} WHERE ${where}`,
      )
      return found.map((row) => columns.map((name) => row[name] ?? null))
    },
  }
}
