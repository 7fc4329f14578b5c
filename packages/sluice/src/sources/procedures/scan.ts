/** The scan of calls: texts become rows, and those that are refused go to quarantine by their values. */
import { eachColumns } from '../../definition/columns.ts'
import type { Column, ProcedureSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { castColumn } from '../../quality/casts.ts'
import type { QuarantineWriter } from '../../quality/quarantine.ts'
import { type RowContract, rowContract } from '../../quality/rows/contract.ts'
import { openScan, ruleGroup, typedSql } from '../../quality/rows/scan.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'

/** The name of a column of text, by its place. */
export const textColumn = (place: number): string => `_sluice_c${place}`
/** The name of the column with a row's number in its call. */
export const rowNumber = '_sluice_row'

/** The contract of a source's rows: declared columns, then those that keep what a call was made for. */
export function callContract(source: ProcedureSource): RowContract {
  const columns: readonly (readonly [string, Column])[] = [
    ...Object.entries(source.columns),
    ...Object.entries(eachColumns(source)),
  ]
  const casts = columns.map(([name, column], place) => castColumn(name, column, quoteIdentifier(textColumn(place))))
  const { checks, key } = source
  return rowContract(casts, {
    checks,
    ...(key === undefined ? {} : { key: { columns: key } }),
    refuses: 'rows and keys',
  })
}

/** Scans relations of text into Parquet; rows that break a rule go to quarantine. */
export interface Scanner {
  /** @param relation text columns and a number for each row, as {@link stagedSql} gives them */
  scan(relation: string, call: string, folder: string): Promise<readonly WrittenFile[]>
}

/**
 * Opens a scanner.
 *
 * @example await openScanner(session, callContract(source), quarantine).scan(relation, 'dbo.usp_sales()', folder)
 */
export function openScanner(
  session: Session,
  { casts, rules }: Pick<RowContract, 'casts' | 'rules'>,
  quarantine: QuarantineWriter,
): Scanner {
  const names = casts.map(({ name }) => name)
  let file = ''
  const carried = [`${rowNumber}::VARCHAR`, ...names.map((_, place) => textColumn(place))]
  const good = openScan(session, [ruleGroup(rules)], carried, (reasons, [record, ...texts]) => {
    const fields = Object.fromEntries(names.map((name, place) => [name, texts[place] ?? null]))
    quarantine.add({ file, line: 0, record: Number(record), offset: 0, reasons, fields })
  })
  return {
    scan(relation, call, folder) {
      file = call
      const rows = good(`(${typedSql(relation, casts)})`)
      return session.write(`SELECT ${names.map(quoteIdentifier).join(', ')} FROM (${rows})`, { folder })
    },
  }
}

/** The texts of columns that every row of a call shares. */
export const constantsSql = (constants: readonly string[], from: number): string =>
  constants.map((text, at) => `, ${quoteText(text)} AS ${textColumn(from + at)}`).join('')

/**
 * Makes an empty table for the texts of so many columns, and a number for each row: an appended row has no place of its own.
 *
 * @example await session.run(stagingSql('_sluice_staged', 3))
 */
export function stagingSql(table: string, columns: number): string {
  const texts = Array.from({ length: columns }, (_, place) => `${textColumn(place)} VARCHAR`)
  return `CREATE OR REPLACE TABLE ${quoteIdentifier(table)} (${[...texts, `${rowNumber} BIGINT`].join(', ')})`
}

/** Staged rows as a relation to scan. @example stagedSql('_sluice_staged', 3, ['EU']) */
export function stagedSql(table: string, columns: number, constants: readonly string[]): string {
  return `(SELECT *${constantsSql(constants, columns)} FROM ${quoteIdentifier(table)})`
}
