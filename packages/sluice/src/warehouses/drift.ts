/** Compares what a load needs with what its target is. Pure. */
import { digest } from '../base/json.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import type { LoadColumn, TargetDrift } from './warehouse.ts'

/** A column as the warehouse has it. */
export interface FoundColumn {
  readonly name: string
  readonly type: string
}

/**
 * The fingerprint of a table's columns, kept in the load ledger: whoever alters the table afterwards is found out.
 *
 * @example shapeOf([{ name: 'a', type: 'INTEGER' }])
 */
export function shapeOf(columns: readonly FoundColumn[]): string {
  return digest([...columns].map(({ name, type }) => [name, type]).sort())
}

/**
 * The differences, each with its class. No entry where the target's type holds every value of the load's.
 *
 * @param altered Whether the target changed since the last load left it: then a missing column was dropped by someone, and is
 *   not added again in silence.
 * @param rewritten Whether the load writes every row anew: then a missing column that may not be NULL can be added too.
 * @example classifyDrift([{ name: 'a', type: 'BIGINT', nullable: true }], [{ name: 'a', type: 'INTEGER' }], {})
 */
export function classifyDrift(
  expected: readonly LoadColumn[],
  found: readonly FoundColumn[],
  { altered = false, rewritten = false }: { readonly altered?: boolean; readonly rewritten?: boolean },
): readonly TargetDrift[] {
  const there = new Map(found.map((column) => [column.name, column.type]))
  const wanted = new Set(expected.map((column) => column.name))
  return [
    ...expected.flatMap(({ name, type, nullable }): TargetDrift[] => {
      const is = there.get(name)
      if (is === undefined) {
        const change = altered ? 'destructive' : nullable || rewritten ? 'additive' : 'lossy'
        return [{ column: name, kind: 'missing', expected: type, change }]
      }
      if (isHeldBy(is, type)) return []
      return [
        { column: name, kind: 'retyped', expected: type, found: is, change: isHeldBy(type, is) ? 'widening' : 'lossy' },
      ]
    }),
    ...found
      .filter(({ name }) => !wanted.has(name))
      .map(({ name, type }): TargetDrift => ({ column: name, kind: 'extra', found: type, change: 'destructive' })),
  ]
}

/** One difference as a sentence part. */
export function driftText({ column, kind, expected, found }: TargetDrift): string {
  if (kind === 'missing') return `it has no column "${column}" (${expected})`
  if (kind === 'extra') return `it has a column "${column}" (${found}) that the load does not have`
  return `its column "${column}" is ${found}, not ${expected}`
}

/**
 * Whether both are exact numbers, so that single values may fit where the types do not.
 *
 * @example exactNumbers('DECIMAL(12,5)', 'DECIMAL(12,3)') // true
 */
export function exactNumbers(a: string, b: string): boolean {
  return digitsOf(a) !== undefined && digitsOf(b) !== undefined
}

/**
 * Whether `wide` holds every value of `narrow` unchanged.
 *
 * @example isHeldBy('BIGINT', 'INTEGER') // true
 */
export function isHeldBy(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  if (wide === 'DOUBLE' && narrow === 'FLOAT') return true
  const [w, n] = [digitsOf(wide), digitsOf(narrow)]
  if (w === undefined || n === undefined) return false
  // Between integers their exact bounds decide; a decimal holds an integer by its digits.
  if (w.bits !== undefined && n.bits !== undefined) {
    return w.signed === n.signed ? w.bits >= n.bits : w.signed && w.bits > n.bits
  }
  return w.bits === undefined && w.whole >= n.whole && w.scale >= n.scale
}

/**
 * Whether a type is one of integers.
 *
 * @example isInteger('UBIGINT') // true
 */
export function isInteger(type: string): boolean {
  return digitsOf(type)?.bits !== undefined
}

interface Digits {
  readonly whole: number
  readonly scale: number
  readonly bits?: number
  readonly signed: boolean
}

const integerBits: { readonly [type: string]: number } = {
  TINYINT: 8,
  SMALLINT: 16,
  INTEGER: 32,
  BIGINT: 64,
  HUGEINT: 128,
}

function digitsOf(type: string): Digits | undefined {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type)
  if (decimal !== null) {
    const scale = Number(decimal[2])
    return { whole: Number(decimal[1]) - scale, scale, signed: true }
  }
  const unsigned = type.startsWith('U')
  const bits = integerBits[unsigned ? type.slice(1) : type]
  if (bits === undefined) return undefined
  return { whole: Math.ceil(bits * Math.log10(2)), scale: 0, bits, signed: !unsigned }
}

/**
 * What makes a target fit, after ALTER TABLE: where one column is missing and one of its type is too many, that one has another name now.
 *
 * @example fittings(drift, (type) => dialect.columnType(type)) // [{ column: 'level', statement: 'RENAME COLUMN "tier" TO "level"' }]
 */
export function fittings(
  drift: readonly TargetDrift[],
  columnType: (type: string) => string,
): readonly { readonly column: string; readonly statement: string }[] {
  const of = (kind: TargetDrift['kind']): readonly TargetDrift[] => drift.filter((one) => one.kind === kind)
  const [[missing, another], [extra, more]] = [of('missing'), of('extra')]
  const isRenamed =
    missing?.expected !== undefined && another === undefined && more === undefined && missing.expected === extra?.found
  return drift.flatMap(({ column, kind, expected = '' }) => {
    const name = quoteIdentifier(column)
    if (kind === 'retyped') return [{ column, statement: `ALTER COLUMN ${name} TYPE ${columnType(expected)}` }]
    if (isRenamed)
      return kind === 'extra'
        ? []
        : [{ column, statement: `RENAME COLUMN ${quoteIdentifier(extra!.column)} TO ${name}` }]
    return [
      { column, statement: kind === 'extra' ? `DROP COLUMN ${name}` : `ADD COLUMN ${name} ${columnType(expected)}` },
    ]
  })
}
