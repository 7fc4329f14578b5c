/** What of a lake can be read: one damaged table takes none of the others with it. */
import { isSluiceError, type SluiceError } from '../base/errors.ts'
import type { Lake } from '../lake/lake.ts'
import { missingVersions, witnessesIn } from '../lake/record/witnesses.ts'
import type { CommitRecord } from '../lake/record.ts'

/** A table that is not read, and why. */
export interface DamagedTable {
  readonly table: string
  readonly error: SluiceError
}

/** Tables of a lake, by whether they can be read. */
export interface IntactTables {
  /** The newest record of each. */
  readonly records: readonly CommitRecord[]
  readonly damaged: readonly DamagedTable[]
}

/**
 * The tables of a lake: those whose newest record is there and whole, and the others with what is wrong.
 *
 * @example const { records, damaged } = await intactTables(lake)
 */
export async function intactTables(lake: Pick<Lake, 'tables' | 'current'>): Promise<IntactTables> {
  const found = await Promise.all((await lake.tables()).map((table) => newestOf(lake, table)))
  const records = found.flatMap(({ record }) => record ?? [])
  const missing = missingVersions(records, witnessesIn(records))
  return {
    records: records.filter(({ table }) => !missing.some((one) => one.table === table)),
    damaged: [
      ...found.flatMap(({ table, error }) => (error === undefined ? [] : [{ table, error }])),
      ...missing.map(({ table, error }) => ({ table, error })),
    ],
  }
}

async function newestOf(
  lake: Pick<Lake, 'current'>,
  table: string,
): Promise<{ readonly table: string; readonly record?: CommitRecord | undefined; readonly error?: SluiceError }> {
  try {
    return { table, record: await lake.current(table) }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { table, error }
  }
}

/** Whether an error says that something kept is damaged, and not that it could not be reached. @example isDamage(error) */
export function isDamage(error: unknown): error is SluiceError {
  const names = ['Lake.RecordCorrupt', 'Lake.VersionMissing', 'Lake.FileCorrupt'] as const
  return names.some((name) => isSluiceError(error, name))
}
