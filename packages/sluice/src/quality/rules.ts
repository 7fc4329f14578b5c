/** Casts and checks as numbered rules on one row, and the SQL that decides all of them in one scan. */
import { sluiceError } from '../base/errors.ts'
import type { Check, CheckAction } from '../definition/types.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import type { ColumnCast, RowRule } from './rule.ts'

/** A check that looks at one row. */
export type RowCheck = Extract<Check, { kind: 'notNull' | 'range' | 'length' | 'pattern' | 'oneOf' | 'format' | 'row' }>

const rowKinds: readonly string[] = ['notNull', 'range', 'length', 'pattern', 'oneOf', 'format', 'row']

/**
 * Whether a check looks at one row (and not at a whole table).
 *
 * @example isRowCheck({ kind: 'rowCount', min: 1 }) // false
 */
export function isRowCheck(check: Check): check is RowCheck {
  return rowKinds.includes(check.kind)
}

/**
 * The name of a check: its own, or one made from its kind and columns.
 *
 * @example checkName({ kind: 'notNull', column: 'customer_id' }) // 'notNull:customer_id'
 */
export function checkName(check: Check): string {
  if (check.name !== undefined) return check.name
  if (check.kind === 'row') return `row:${check.sql.replace(/\s+/g, ' ').trim()}`
  const columns = checkColumns(check)
  return columns.length === 0 ? check.kind : `${check.kind}:${columns.join(',')}`
}

/** Names of checks in their order; a name that comes again gets a number: `row:a > 1#2`. */
export function checkNames(checks: readonly Check[]): readonly string[] {
  const seen = new Map<string, number>()
  return checks.map((check) => {
    const name = checkName(check)
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name}#${count}`
  })
}

/**
 * The columns that a check names.
 *
 * @example checkColumns({ kind: 'unique', columns: ['id'] }) // ['id']
 */
export function checkColumns(check: Check): readonly string[] {
  if ('columns' in check) return check.columns
  return 'column' in check ? [check.column] : []
}

/** A column, with the engine's type of it. */
export interface TypedColumn {
  readonly name: string
  readonly type: string
}

/**
 * All rules of a source's rows, in order: cast and presence by column, then the checks as declared. Table checks are left out.
 *
 * A cast refers to the text expressions it was made with and to its typed column; a check refers to typed columns; by their quoted names.
 *
 * @param options `columns`: those that checks name, where others than the casts make them
 * @example rowRules([castColumn('id', { type: 'integer' }, '"c0"')], [], { defaultAction: 'quarantine' }).map((r) => r.name)
 * // ['cast:id', 'required:id']
 */
export function rowRules(
  casts: readonly ColumnCast[],
  checks: readonly Check[],
  options: { readonly defaultAction: CheckAction; readonly columns?: readonly TypedColumn[] },
): readonly RowRule[] {
  const names = checkNames(checks)
  const floats = floatingColumns(options.columns ?? casts)
  return [
    ...casts.flatMap((cast) => castRules(cast)),
    ...checks.flatMap((check, i) =>
      isRowCheck(check) ? [checkRule(check, names[i]!, options.defaultAction, floats)] : [],
    ),
  ]
}

function castRules(cast: ColumnCast): RowRule[] {
  const rule = { columns: [cast.name], severity: 'error', action: 'quarantine' } as const
  const { oneMeaning } = cast
  return [
    ...(oneMeaning === undefined ? [] : [{ ...rule, name: `ambiguous:${cast.name}`, kind: 'cast', valid: oneMeaning }]),
    { ...rule, name: `cast:${cast.name}`, kind: 'cast', valid: cast.validTyped ?? cast.valid },
    ...(cast.nullable ? [] : [{ ...rule, name: `required:${cast.name}`, kind: 'required', valid: cast.present }]),
  ]
}

/**
 * The columns that can hold NaN: the engine takes it for the greatest number, so that no lower bound would refuse it, and what a file says of its
 * smallest and largest value leaves it out.
 *
 * @example floatingColumns([{ name: 'v', type: 'DOUBLE' }, { name: 'id', type: 'INTEGER' }]) // Set { 'v' }
 */
export function floatingColumns(columns: readonly TypedColumn[]): ReadonlySet<string> {
  return new Set(columns.filter(({ type }) => type === 'DOUBLE' || type === 'FLOAT').map(({ name }) => name))
}

function checkRule(check: RowCheck, name: string, defaultAction: CheckAction, floats: ReadonlySet<string>): RowRule {
  return {
    name,
    kind: check.kind,
    columns: checkColumns(check),
    valid: checkSql(check, floats),
    severity: check.severity ?? 'error',
    action: check.action ?? defaultAction,
    ...(check.maxShare === undefined ? {} : { maxShare: check.maxShare }),
    ...(check.maxCount === undefined ? {} : { maxCount: check.maxCount }),
  }
}

/** The whole text must match. */
const formats: { readonly [format in Extract<Check, { kind: 'format' }>['format']]: string } = {
  // The shape that HTML's e-mail field takes, with a dot in the domain.
  email:
    "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+",
  url: 'https?://[^\\s/?#"<>\\\\^`{|}]+(?:[/?#][^\\s"<>\\\\^`{|}]*)?',
  uuid: '[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}',
  ipv4: '(?:(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)',
  date: '\\d{4}-\\d{2}-\\d{2}',
  digits: '\\d+',
}

/**
 * A row check as SQL over typed columns; never NULL: NULL passes every check but `notNull`. NaN is within no bounds.
 *
 * @example checkSql({ kind: 'range', column: 'quantity', min: 1 }) // '("quantity" IS NULL OR ("quantity" >= 1))'
 */
export function checkSql(check: RowCheck, floats: ReadonlySet<string> = new Set()): string {
  if (check.kind === 'notNull') return `(${quoteIdentifier(check.column)} IS NOT NULL)`
  // The line break ends a comment at the end of what the user wrote.
  if (check.kind === 'row') return `coalesce((${check.sql}\n), true)`
  const column = quoteIdentifier(check.column)
  const condition = columnCondition(check, column)
  const isCompared = check.kind === 'range' && floats.has(check.column)
  return `(${column} IS NULL OR ${isCompared ? `(NOT isnan(${column}) AND ${condition})` : condition})`
}

function columnCondition(check: Exclude<RowCheck, { kind: 'notNull' | 'row' }>, column: string): string {
  switch (check.kind) {
    case 'range':
      return between(column, check.min, check.max)
    case 'length':
      return between(`length(${column})`, check.min, check.max)
    case 'pattern':
      return `regexp_full_match(${column}, ${quoteText(check.pattern)})`
    case 'oneOf':
      return check.values.length === 0 ? 'false' : `${column} IN (${check.values.map(literal).join(', ')})`
    case 'format': {
      const matches = `regexp_full_match(${column}::VARCHAR, ${quoteText(formats[check.format])})`
      return check.format === 'date' ? `(${matches} AND TRY_CAST(${column}::VARCHAR AS DATE) IS NOT NULL)` : matches
    }
  }
}

/** Bounds on an expression, inclusive. */
export function between(value: string, min: number | string | undefined, max: number | string | undefined): string {
  const bounds = [
    ...(min === undefined ? [] : [`${value} >= ${literal(min)}`]),
    ...(max === undefined ? [] : [`${value} <= ${literal(max)}`]),
  ]
  return bounds.length === 0 ? 'true' : `(${bounds.join(' AND ')})`
}

/** A number as it is; a text as a literal, which DuckDB reads as the type it is compared with. */
export function literal(value: number | string): string {
  if (typeof value === 'string') return quoteText(value)
  if (!Number.isFinite(value))
    throw sluiceError('Quality.CheckInvalid', { check: 'range', detail: `${value} is no bound.` })
  return String(value)
}

/** Rules per mask: the bits of a UBIGINT. */
const bitsPerMask = 64n

/** The SQL that decides a row by all rules at once. */
export interface AcceptSql {
  /** True where the row obeys every rule of severity `error`; never NULL. */
  readonly predicate: string
  /** For each 64 rules a UBIGINT with a bit for each that is broken: the second rule's bit is 2. Rules of severity `warn` have no bit. At least one. */
  readonly masks: readonly string[]
}

/**
 * Makes the predicate and the masks; see `openScan`, which uses them.
 *
 * Rules of severity `warn` refuse nothing; they are counted afterwards, on the rows that were accepted.
 *
 * @example acceptSql(rules).predicate
 */
export function acceptSql(rules: readonly RowRule[]): AcceptSql {
  const refusing = rules.flatMap((rule, i) => (rule.severity === 'error' ? [{ rule, i }] : []))
  const masks: string[] = []
  for (let first = 0; first === 0 || first < rules.length; first += Number(bitsPerMask)) {
    const bits = refusing
      .filter(({ i }) => i >= first && i < first + Number(bitsPerMask))
      .map(({ rule, i }) => `CASE WHEN ${rule.valid} THEN 0::UBIGINT ELSE ${1n << BigInt(i - first)}::UBIGINT END`)
    masks.push(bits.length === 0 ? '0::UBIGINT' : `(${bits.join(' | ')})`)
  }
  return {
    predicate: refusing.length === 0 ? 'true' : `(${refusing.map(({ rule }) => rule.valid).join(' AND ')})`,
    masks,
  }
}

/**
 * The names of the rules that a row breaks, in their order: the first is its reason.
 *
 * @example decodeMask([2n], rules) // ['required:id']
 * @param masks the values of {@link AcceptSql.masks}, in order
 */
export function decodeMask(masks: readonly bigint[], rules: readonly RowRule[]): readonly string[] {
  return rules
    .filter((_, i) => {
      const bits = masks[Math.floor(i / Number(bitsPerMask))] ?? 0n
      return ((bits >> (BigInt(i) % bitsPerMask)) & 1n) === 1n
    })
    .map((rule) => rule.name)
}
