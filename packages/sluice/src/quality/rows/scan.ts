/** One scan does it all: strict casts, row checks, capture of refused rows, and the way on for good ones. */
import type { Session, WrittenFile } from '../../engines/engine.ts'
import type { DataFile } from '../../lake/record.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { ColumnCast, RowRule } from '../rule.ts'
import { type AcceptSql, acceptSql, decodeMask } from '../rules.ts'

/** Rules that are judged together. */
export interface RuleGroup extends AcceptSql {
  readonly rules: readonly RowRule[]
}

/**
 * Rules as a group; a layer below may have made its predicate and masks columns already, whose names then stand for them.
 *
 * @example openScan(session, [ruleGroup(contract.rules)], ['a::VARCHAR'], (reasons, [a]) => refused.push({ reasons, a }))
 */
export const ruleGroup = (rules: readonly RowRule[]): RuleGroup => ({ rules, ...acceptSql(rules) })

/** What a refused row is handed to: its reasons, and what is carried of it, which is how it is found again. */
export type TakeRefused = (reasons: readonly string[], carried: readonly (string | null)[]) => void

const counts = new WeakMap<Session, number>()
const isGood = '_sluice_is_good'

/**
 * Opens a scan: a function from a relation to a SELECT of its rows that obey. Every other row is handed over while that is read.
 *
 * @example const good = openScan(session, [ruleGroup(rules)], texts, take); await session.write(`SELECT id FROM (${good('rows')})`, { folder })
 * @param groups a row that breaks rules of a group is judged by no later one
 * @param carried expressions of type VARCHAR over the relation
 */
export function openScan(
  session: Session,
  groups: readonly RuleGroup[],
  carried: readonly string[],
  take: TakeRefused,
): (relation: string) => string {
  if (groups.every(({ rules }) => rules.length === 0)) return (relation) => `SELECT * FROM ${relation}`
  // Functions of a session have names of their own.
  const count = (counts.get(session) ?? 0) + 1
  counts.set(session, count)
  const name = `sluice_refuse_${count}`
  const [first, ...more] = groups.flatMap(({ masks }) => masks)
  const reasonsOf = reasonReader(groups)
  session.capture(name, (mask, fields) =>
    take(
      reasonsOf([mask, ...fields.slice(0, more.length).map((text) => BigInt(text ?? 0))]),
      fields.slice(more.length),
    ),
  )
  const predicate = groups.map((group) => group.predicate).join(' AND ')
  const fields = [...more.map((mask) => `(${mask})::VARCHAR`), ...carried]
  // Whether a row obeys is a column of its own: DuckDB decides whole vectors at once only outside of a WHERE.
  return (relation) =>
    `SELECT * FROM (SELECT *, ${predicate} AS ${isGood} FROM ${relation}) WHERE CASE WHEN ${isGood} THEN true ELSE ${name}(${first}, [${fields.join(', ')}]) END`
}

/** The reasons of masks; rows are many, and their reasons few. */
function reasonReader(groups: readonly RuleGroup[]): (masks: readonly bigint[]) => readonly string[] {
  const known = new Map<string, readonly string[]>()
  return (masks) => {
    const key = masks.join()
    let reasons = known.get(key)
    if (reasons === undefined) {
      let from = 0
      reasons = []
      for (const { rules, masks: own } of groups) {
        if (reasons.length === 0) reasons = decodeMask(masks.slice(from, from + own.length), rules)
        from += own.length
      }
      known.set(key, reasons)
    }
    return reasons
  }
}

/**
 * A SELECT of a relation's columns and the values of its casts.
 *
 * @example typedSql('texts', casts) // 'SELECT *, TRY_CAST(c0 AS INTEGER) AS "id" FROM texts'
 */
export function typedSql(relation: string, casts: readonly ColumnCast[]): string {
  return `SELECT ${['*', ...casts.map(({ name, value }) => `${value} AS ${quoteIdentifier(name)}`)].join(', ')} FROM ${relation}`
}

/** A file of accepted rows: local, to be adopted by the lake. */
export type AcceptedFile = Omit<DataFile, 'path' | 'bytes' | 'sha256' | 'addedIn'> & { readonly localFile: string }

/**
 * Written files as accepted ones: without empty ones, with the statistics of the table's own columns.
 *
 * @example acceptedFiles(await session.write(sql, { folder }), ['id', 'name'])
 */
export function acceptedFiles(written: readonly WrittenFile[], columns: readonly string[]): readonly AcceptedFile[] {
  return written
    .filter(({ rows }) => rows > 0)
    .map(({ file, rows, partition, stats }) => ({
      localFile: file,
      rows,
      ...(partition === undefined ? {} : { partition }),
      stats: Object.fromEntries(Object.entries(stats).filter(([name]) => columns.includes(name))),
      fields: columns,
    }))
}
