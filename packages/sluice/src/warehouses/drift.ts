/** Compares what a load needs with what its target is. Pure. */
import { digest } from '../base/json.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import { holds } from '../sql/types/lattice.ts'
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
      if (holds(is, type)) return []
      return [
        { column: name, kind: 'retyped', expected: type, found: is, change: holds(type, is) ? 'widening' : 'lossy' },
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
