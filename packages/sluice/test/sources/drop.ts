/** A project folder with an inbox, for tests of sources: deliver files, take them, look at what came of them. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { Column, ColumnType, FilesSource } from '../../src/definition/types.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session } from '../../src/engines/engine.ts'
import { diskInbox } from '../../src/inbox/disk/inbox.ts'
import type { NewFile } from '../../src/lake/lake.ts'
import { quarantineRelation } from '../../src/quality/quarantine.ts'
import { filesSource } from '../../src/sources/files/source.ts'
import type { Candidate, DiscoveredInput, RefusedInput } from '../../src/sources/source.ts'

/** One quarantined row. */
export interface QuarantinedRow {
  readonly file: string
  readonly line: number
  readonly record: number
  readonly offset: number
  readonly bytes: Buffer
  readonly reasons: readonly string[]
}

/** A source of files sets nothing aside. */
type LocalCandidate = Omit<Candidate, 'files'> & { readonly files: readonly NewFile[] }

/** What one delivery came to. */
export interface Taken {
  readonly inputs: readonly DiscoveredInput[]
  readonly candidate: LocalCandidate | undefined
  readonly refused: readonly RefusedInput[]
  /** All columns, values as text or NULL. */
  readonly rows: readonly Record<string, string | null>[]
  readonly quarantine: readonly QuarantinedRow[]
}

export interface Drop extends AsyncDisposable {
  readonly root: string
  readonly session: Session
  deliver(path: string, content: string | Uint8Array): void
  deliverCopy(path: string, from: string): void
  take(source: FilesSource, known?: ReadonlyMap<string, string>): Promise<Taken>
  acknowledge(source: FilesSource, taken: Taken): Promise<void>
}

/** A source of `inbox/*` with text columns, or with what is given. */
export function sourceOf(
  columns: { readonly [column: string]: ColumnType | Column },
  more: Partial<FilesSource> = {},
): FilesSource {
  return {
    kind: 'files',
    path: 'inbox/*',
    columns: Object.fromEntries(
      Object.entries(columns).map(([name, column]) => [name, typeof column === 'string' ? { type: column } : column]),
    ),
    format: { kind: 'csv' },
    mode: 'append',
    checks: [],
    quarantine: { maxShare: 1 },
    duplicateContent: 'skip',
    changedContent: 'append',
    archive: 'archive',
    error: 'error',
    ...more,
  }
}

/** Opens a new project folder. */
export async function openDrop(clock: Clock = systemClock): Promise<Drop> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-drop-'))
  const session = await duckDbEngine({ memoryLimit: '512MB', tempDirectory: join(root, 'temp') }).open()
  let takes = 0
  const write = (path: string, make: (file: string) => void): void => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    make(file)
  }
  const open = (source: FilesSource) => filesSource('raw.test', source, { inbox: diskInbox(root), clock })
  return {
    root,
    session,
    deliver: (path, content) => write(path, (file) => writeFileSync(file, content)),
    deliverCopy: (path, from) => write(path, (file) => cpSync(from, file)),
    async take(source, known = new Map()) {
      const scratch = join(root, `scratch-${++takes}`)
      mkdirSync(scratch)
      const inputs = await open(source).discover(known)
      const signal = new AbortController().signal
      const { candidate: made, refused } = await open(source).take(inputs, {
        session,
        scratch,
        progress: () => {},
        signal,
        run: { id: 'run', startedAt: new Date(0) },
        attempt: 1,
        current: undefined,
      })
      const candidate = made as LocalCandidate | undefined
      const rows: Record<string, string | null>[] = []
      const quarantine: QuarantinedRow[] = []
      for (const { localFile } of candidate?.files ?? []) {
        rows.push(
          ...(await session.all<Record<string, string | null>>(`SELECT COLUMNS(*)::VARCHAR FROM '${localFile}'`)),
        )
      }
      for (const { localFile } of candidate?.quarantine ?? []) {
        quarantine.push(...(await quarantined(session, localFile)))
      }
      return { inputs, candidate, refused, rows, quarantine }
    },
    acknowledge: (source, { inputs, refused }) => {
      const gone = new Set(refused.map(({ input }) => input.path))
      const taken = inputs.filter(({ decision, path }) => !gone.has(path) && decision !== 'waiting')
      return open(source).acknowledge(taken, refused)
    },
    async [Symbol.asyncDispose]() {
      session.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

async function quarantined(session: Session, file: string): Promise<QuarantinedRow[]> {
  const rows = await session.all<Record<string, string> & { reasons: string[] }>(
    `SELECT _file, _line, _record, _offset, hex(_bytes) AS bytes, reasons FROM ${await session.from(quarantineRelation([{ localFile: file }]))} ORDER BY _file, _offset, _record`,
  )
  return rows.map((row) => ({
    file: row['_file']!,
    line: Number(row['_line']),
    record: Number(row['_record']),
    offset: Number(row['_offset']),
    bytes: Buffer.from(row['bytes']!, 'hex'),
    reasons: row.reasons,
  }))
}
