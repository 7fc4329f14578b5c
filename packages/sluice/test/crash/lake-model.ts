/** What the worker does, and what the table must then hold: known to the worker and to the test that judges it. */
import type { CommitInput } from '../../src/lake/lake.ts'
import type { InputReference } from '../../src/lake/record.ts'

export const table = 'raw.sales'

/** One version: what is committed, and whether garbage is collected after it. */
export interface Step {
  readonly operation: 'append' | 'replace'
  readonly rows: readonly string[]
  readonly refused?: string
  readonly rollbackTo?: number
  readonly collect?: boolean
  /** All files of the table are written together. */
  readonly compact?: boolean
}

export const steps: readonly Step[] = [
  { operation: 'append', rows: ['a'] },
  { operation: 'append', rows: ['b', 'c'], refused: 'x' },
  { operation: 'replace', rows: ['d'], collect: true },
  { operation: 'append', rows: ['e'] },
  { operation: 'replace', rows: ['f'], refused: 'y' },
  { operation: 'append', rows: [], rollbackTo: 4, collect: true },
  { operation: 'append', rows: ['g'] },
  { operation: 'append', rows: [], compact: true },
  { operation: 'append', rows: ['h'] },
]

/** What the first version took: more than a record repeats, so that later ones name a part. */
export const delivered: readonly InputReference[] = Array.from({ length: 40 }, (_, at) => ({
  ...{ kind: 'file', path: `inbox/${at}.csv`, sha256: at.toString(16).padStart(64, '0'), bytes: 1 },
  accounting: { read: 0, accepted: 0, quarantined: 0, dropped: {} },
}))

/** The rows of each version, by its number. */
export function rowsAt(version: number): readonly string[] {
  const step = steps[version - 1]
  if (step === undefined) return []
  if (step.rollbackTo !== undefined) return rowsAt(step.rollbackTo)
  return step.operation === 'append' ? [...rowsAt(version - 1), ...step.rows] : step.rows
}

/** A file of one row, or of several with `+` between them. */
export function fileOf(row: string): string {
  return `PAR1${row.padEnd(16)}PAR1`
}

/** A commit of files of one row each. */
export function inputOf(files: CommitInput['files']): CommitInput {
  return {
    table,
    operation: 'append',
    taskKey: 'k',
    definition: 'd',
    run: 'r',
    attempt: 1,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async () => ({ rows: 1 }),
    fields: [{ name: 'a', type: 'VARCHAR', nullable: true }],
    files,
    quarantine: [],
    inputs: [],
    accounting: { read: files.length, accepted: files.length, quarantined: 0, dropped: {} },
    checks: [],
  }
}
