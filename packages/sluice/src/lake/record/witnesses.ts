/** Who knows of a version: its own record, a hint, the records that were made from it, and the loads of it. What one of them has seen was there. */
import { type SluiceError, sluiceError } from '../../base/errors.ts'
import { rowsVersion } from '../growth.ts'
import type { CommitRecord } from '../record.ts'

/** Somebody who has seen a version of a table. */
export interface Witness {
  readonly table: string
  readonly version: number
  /** For people: `version 3 of stage.sales`, `the load of fact_sales`. */
  readonly who: string
  /** Whether it was seen after the newest version that is left was made: before that, it may be one of a table that was made again from nothing. */
  isLaterThan(newest: CommitRecord): boolean
}

/**
 * What records of other tables have seen: the versions that they were made from.
 *
 * @example witnessesIn(await newestRecords(lake)).map(({ table, version }) => [table, version])
 */
export function witnessesIn(records: readonly CommitRecord[]): readonly Witness[] {
  return records.flatMap(({ table: by, version: of, fencingToken, inputs, operation }) =>
    inputs.flatMap((input): Witness[] =>
      // What a rollback was made from is what was seen long before.
      input.kind !== 'table' || operation === 'rollback'
        ? []
        : [
            {
              ...{ table: input.table, version: input.version, who: `version ${of} of ${by}` },
              isLaterThan: (newest) => fencingToken >= newest.fencingToken,
            },
          ],
    ),
  )
}

/**
 * What a load has seen. Ids of runs sort by time.
 *
 * @example loadWitness('fact_sales', 'stage.sales', 7, '20261120T100000Z-00000001')
 */
export function loadWitness(target: string, table: string, version: number, run: string): Witness {
  return { table, version, who: `the load of ${target}`, isLaterThan: (newest) => run >= newest.run }
}

/**
 * Tables whose newest record is missing, by those who have seen it: each with an error that says which, who says so, and what to do.
 *
 * @example for (const { table, error } of missingVersions(records, witnessesIn(records))) …
 * @param records The newest record of each table that is left.
 */
export function missingVersions(
  records: readonly CommitRecord[],
  witnesses: readonly Witness[],
): readonly { readonly table: string; readonly highest: number; readonly error: SluiceError }[] {
  return records.flatMap((newest) => {
    const { table, version } = newest
    const seen = witnesses
      .filter((one) => one.table === table && one.version > rowsVersion(newest) && one.isLaterThan(newest))
      .sort((a, b) => b.version - a.version)[0]
    if (seen === undefined || seen.version <= version) return []
    const error = sluiceError('Lake.VersionMissing', { table, missing: seen.version, newest: version, who: seen.who })
    return [{ table, highest: seen.version, error }]
  })
}
