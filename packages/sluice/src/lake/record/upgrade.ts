/** Formats 1 and 2 of the commit record, and how they become what the code works with: nothing else knows of them. */
import type { CommitRecord, DataFile, Field, QuarantineFile } from '../record.ts'

/** A record of format 1 or 2. */
export interface OlderRecord
  extends Omit<CommitRecord, 'format' | 'uuid' | 'monthOf' | 'known' | 'refused' | 'files' | 'quarantine'> {
  readonly format: 1 | 2
  readonly files: readonly (Omit<DataFile, 'hasFieldIds'> & { readonly inputs?: readonly string[] })[]
  readonly quarantine: readonly Omit<QuarantineFile, 'addedIn' | 'definition'>[]
  /** Of a rollback: sha256 to path of all inputs from there on. */
  readonly knownInputs?: { readonly [sha256: string]: string }
}

/**
 * Turns an older record into the shape of today's.
 *
 * @example const record = upgrade(openSealed(bytes, path) as OlderRecord)
 */
export function upgrade({ knownInputs, ...older }: OlderRecord): CommitRecord {
  const { version, definition } = older
  const month = monthOf(older)
  return {
    ...older,
    format: 3,
    files: older.files.map(({ inputs: _, ...file }) => file),
    quarantine: older.quarantine.map((file) => ({ ...file, addedIn: version, definition })),
    ...(month === undefined ? {} : { monthOf: month }),
    ...(knownInputs === undefined
      ? {}
      : {
          known: { runs: [], recent: Object.entries(knownInputs).map(([sha256, path]) => [sha256, path, 0] as const) },
        }),
  }
}

/**
 * The column by whose months the files are split: these formats do not say it. The one date whose least and greatest are of its file's month, in
 * every file; where several are, nobody can say.
 */
function monthOf({ fields, files }: OlderRecord): number | undefined {
  const split = files.filter(({ partition }) => partition !== undefined)
  const isSplit = split.length > 0 && split.every(({ partition }) => 'year' in partition! && 'month' in partition!)
  if (!isSplit || fields.some(({ name }) => /^(year|month)$/i.test(name))) return undefined
  const fits = ({ name }: Field): boolean =>
    split.every(({ partition, stats, rows }) => {
      const { year, month } = partition!
      const { min, max, nulls } = stats[name] ?? {}
      if (year == null || month == null) return min === undefined && nulls === rows
      return [min, max].every((text) => text?.startsWith(`${year.padStart(4, '0')}-${month}-`) === true)
    })
  const dates = fields.filter((field) => /^(DATE|TIMESTAMP)/.test(field.type) && fits(field))
  return dates.length === 1 ? dates[0]!.id : undefined
}
