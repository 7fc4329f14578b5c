/**
 * The rows of one table in a change log, in the columns that all of this folder works with.
 *
 * | column | what |
 * |---|---|
 * | `s` | HUGEINT: the row's place in the order of everything: commit position, copied rows after those of a transaction that ends there, number in it; a multiple of 10 |
 * | `lsn`, `seq`, `committed_at`, `effective_at` | as the log has them |
 * | `op` | I, U, D, S (a row of a copy) or T (all rows are gone) |
 * | `k` | the key's text; NULL for T |
 * | `was` | the key before, where a change gave the row another one |
 * | `image` | the row after the change, as JSON; NULL for D and T |
 * | `unchanged` | the columns that are not in the image since their values stayed, as a JSON list |
 */
import { quoteText } from '../sql/quote.ts'

/** Which rows of a log are of a table, and how it knows them. */
export interface LogTable {
  /** As the log names it: `public.customers`. */
  readonly table: string
  /** The columns that identify a row, by their names in the table. */
  readonly key: readonly string[]
}

/** So many places are between two commit positions: for copied rows or not, a number of 13 digits, and the halves of a change. */
const placesPerLsn = '1000000000000000'

/** A part of a log, by places. */
export interface Span {
  /** Commit positions, of which all rows are. @default any */
  readonly lsns?: readonly string[]
  /** Exclusive; a decimal number. @default from the beginning */
  readonly after?: string
  /** Inclusive. @default to the end */
  readonly upTo?: string
}

/**
 * A SELECT of a table's rows in a span of a log.
 *
 * @example logRowsSql('SELECT * FROM log', { table: 'public.customers', key: ['id'] }, { after: '0' })
 * @param log a SELECT of the log, or of some files of it
 */
export function logRowsSql(log: string, table: LogTable, span: Span = {}): string {
  return rowsSql(log, table, span, ['key', 'after', 'before'], ', image')
}

/**
 * The same without images, which are not read where rows come with their key.
 *
 * @example lightRowsSql('SELECT * FROM log', { table: 'public.customers', key: ['id'] })
 */
export function lightRowsSql(log: string, table: LogTable, span: Span = {}): string {
  const keyed = `SELECT *, NULL::VARCHAR AS after FROM (SELECT * EXCLUDE (after) FROM (${log}) WHERE key IS NOT NULL)`
  return `${rowsSql(keyed, table, span, ['key'], '')}
    UNION ALL ${rowsSql(`SELECT * FROM (${log}) WHERE key IS NULL`, table, span, ['after', 'before'], '')}`
}

function rowsSql(
  log: string,
  { table, key }: LogTable,
  { lsns, after, upTo }: Span,
  keyed: readonly string[],
  image: string,
): string {
  const conditions = [
    `_table = ${quoteText(table)}`,
    `_op <> 'R'`,
    ...(lsns === undefined ? [] : [`_lsn IN (${lsns.join(', ')})`]),
    // Both on the log's own columns, which whole groups of rows are skipped by, and on the exact place.
    ...(after === undefined ? [] : [`_lsn >= ${lsnOf(after)}`, `${place} > ${after}::HUGEINT`]),
    ...(upTo === undefined ? [] : [`_lsn <= ${lsnOf(upTo)}`, `${place} <= ${upTo}::HUGEINT`]),
    ...(after === undefined || upTo === undefined || half(after) !== half(upTo)
      ? []
      : [`_seq BETWEEN ${seqOf(after)} AND ${seqOf(upTo)}`]),
  ]
  const before = `CASE WHEN _op = 'U' AND before IS NOT NULL THEN ${keyText(key, 'before')} END`
  return `
    SELECT s, lsn, seq, committed_at, effective_at, op, k, CASE WHEN before_k <> k THEN before_k END AS was${image}, unchanged
    FROM (SELECT ${place} AS s, _lsn AS lsn, _seq AS seq, _committed_at AS committed_at, _effective_at AS effective_at, _op AS op,
        coalesce(${keyed.map((image) => keyText(key, image)).join(', ')}) AS k,
        ${before} AS before_k, CASE WHEN _op <> 'D' THEN after END AS image, _unchanged AS unchanged
      FROM (${log}) WHERE ${conditions.join(' AND ')})`
}

const copiedFrom = 100000000000000n

const place = `(_lsn::HUGEINT * ${placesPerLsn}::HUGEINT + CASE WHEN _xid IS NULL THEN ${copiedFrom}::BIGINT ELSE 0::BIGINT END + _seq * 10)`

/** What two places of one transaction, or of one copy, have in common. */
const half = (s: string): bigint => BigInt(s) / copiedFrom

const seqOf = (s: string): bigint => (BigInt(s) % copiedFrom) / 10n

/** The commit position of a place. @example lsnOf('4294967296000000000000000') // '4294967296' */
export function lsnOf(s: string): string {
  return `${BigInt(s) / BigInt(placesPerLsn)}`
}

/** A key as one text, the same for the same key whatever image it comes from. NULL where a part is missing. */
function keyText(key: readonly string[], image: string): string {
  const parts = key.map((name) => `(${image} ->> ${quoteText(jsonPointer(name))})`)
  if (parts.length === 1) return parts[0]!
  return `CASE WHEN ${parts.map((part) => `${part} IS NOT NULL`).join(' AND ')} THEN json_array(${parts.join(', ')})::VARCHAR END`
}

/**
 * The texts of a key's columns, from its text.
 *
 * @example keyPartSql(['id'], 0, 'k') // 'k'
 */
export function keyPartSql(key: readonly string[], part: number, k: string): string {
  return key.length === 1 ? k : `(${k} ->> '/${part}')`
}

/**
 * A member's place in a JSON object, whatever its name (RFC 6901).
 *
 * @example jsonPointer('a/b') // '/a~1b'
 */
export function jsonPointer(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/**
 * What an image takes while it is worked on: small ones pass a few thousand at a time, large ones are in every step at once.
 *
 * @example weightSql('image')
 */
export function weightSql(image: string): string {
  return `CASE WHEN strlen(${image}) > 65536 THEN 8 * strlen(${image}) ELSE coalesce(strlen(${image}), 0) END`
}
