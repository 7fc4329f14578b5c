/** One scan of text does it all: strict casts, row checks, capture of refused rows, and the write of good ones. */
import { eachColumns } from '../../definition/columns.ts'
import type { Column, ProcedureSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { castColumn } from '../../quality/casts.ts'
import type { QuarantineWriter } from '../../quality/quarantine.ts'
import type { ColumnCast, RowRule } from '../../quality/rule.ts'
import { acceptSql, decodeMask, rowRules } from '../../quality/rules.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'

/** What is asked of every row: declared columns, then those that keep what a call was made for. */
export interface RowContract {
  readonly casts: readonly ColumnCast[]
  readonly rules: readonly RowRule[]
}

/** The name of a column of text, by its place. */
export const textColumn = (place: number): string => `_sluice_c${place}`
/** The name of the column with a row's number in its call. */
export const rowNumber = '_sluice_row'
const isGood = '_sluice_is_good'

/** The casts and rules of a source's rows. */
export function rowContract(source: ProcedureSource): RowContract {
  const columns: readonly (readonly [string, Column])[] = [
    ...Object.entries(source.columns),
    ...Object.entries(eachColumns(source)),
  ]
  const casts = columns.map(([name, column], place) => castColumn(name, column, quoteIdentifier(textColumn(place))))
  return { casts, rules: rowRules(casts, source.checks, { defaultAction: 'quarantine' }) }
}

/** Scans relations of text into Parquet; rows that break a rule go to quarantine. */
export interface Scanner {
  /** @param relation text columns and a number for each row, as {@link stagedSql} gives them */
  scan(relation: string, call: string, folder: string): Promise<readonly WrittenFile[]>
}

const captures = new WeakMap<Session, number>()

/**
 * Opens a scanner.
 *
 * @example await openScanner(session, rowContract(source), quarantine).scan(relation, 'dbo.usp_sales()', folder)
 */
export function openScanner(session: Session, contract: RowContract, quarantine: QuarantineWriter): Scanner {
  const number = (captures.get(session) ?? 0) + 1
  captures.set(session, number)
  const capture = `sluice_refuse_${number}`
  const accept = acceptSql(contract.rules)
  const masks = accept.moreMasks.length
  let file = ''
  session.capture(capture, (mask, fields) => {
    const more = fields.slice(0, masks).map((text) => BigInt(text ?? 0))
    const texts = fields.slice(masks + 1)
    const row = Object.fromEntries(contract.casts.map(({ name }, place) => [name, texts[place] ?? null]))
    quarantine.add({
      file,
      line: 0,
      record: Number(fields[masks]),
      offset: 0,
      bytes: Buffer.from(JSON.stringify(row)),
      reasons: decodeMask(mask, contract.rules, more),
      fields: row,
    })
  })
  const names = contract.casts.map(({ name }) => quoteIdentifier(name))
  const typed = contract.casts.map(({ value }, place) => `${value} AS ${names[place]}`)
  const texts = [
    ...accept.moreMasks.map((mask) => `(${mask})::VARCHAR`),
    `${rowNumber}::VARCHAR`,
    ...names.map((_, place) => textColumn(place)),
  ]
  const where = `CASE WHEN ${isGood} THEN true ELSE ${capture}(${accept.mask}, [${texts.join(', ')}]) END`
  return {
    scan(relation, call, folder) {
      file = call
      // Whether a row obeys is a column of its own: DuckDB decides whole vectors at once only outside of a WHERE.
      const judged = `SELECT *, ${accept.predicate} AS ${isGood} FROM (SELECT *, ${typed.join(', ')} FROM ${relation})`
      return session.write(`SELECT ${names.join(', ')} FROM (SELECT * FROM (${judged}) WHERE ${where})`, { folder })
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
