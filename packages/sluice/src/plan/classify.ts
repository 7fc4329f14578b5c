/** What a change of schema does to values that are already there: nothing (additive, widening), or something that needs an approval (lossy, destructive). */
import { classify } from '../sql/types/lattice.ts'
import type { PlanColumn, SchemaChange } from './types.ts'

/**
 * The changes from one schema to another, in the order of the columns: first those that were there, then the added ones.
 * A column that left and one that came, at the same place and of the same type, are reported as a rename, which is as destructive:
 * only a person can know that they are the same.
 *
 * @example classifyColumns(
 *   [{ name: 'id', type: 'INTEGER', nullable: false }],
 *   [{ name: 'id', type: 'BIGINT', nullable: false }],
 * ) // [{ column: 'id', change: 'retyped', class: 'widening', from: 'INTEGER', to: 'BIGINT' }]
 */
export function classifyColumns(before: readonly PlanColumn[], after: readonly PlanColumn[]): SchemaChange[] {
  const added = new Map(missingFrom(after, before).map((column) => [column.name, column]))
  const slotsAfter = slots(after, before)
  const slotsBefore = slots(before, after)
  const changes: SchemaChange[] = []
  for (const column of before) {
    const kept = after.find(({ name }) => name === column.name)
    if (kept !== undefined) {
      changes.push(...compareColumn(column, kept))
      continue
    }
    const slot = slotsBefore.get(column.name)
    const successor = [...added.values()].find(
      ({ name, type }) => slotsAfter.get(name) === slot && classify(column.type, type) === 'same',
    )
    if (successor !== undefined) {
      added.delete(successor.name)
      changes.push({
        column: column.name,
        change: 'renamed',
        class: 'destructive',
        from: column.name,
        to: successor.name,
      })
    } else changes.push({ column: column.name, change: 'removed', class: 'destructive', from: column.type })
  }
  for (const column of added.values()) {
    // Rows that are already there have no value for it, so a column without NULL cannot hold for them.
    const requires = column.nullable ? column.type : `${column.type} NOT NULL`
    changes.push({
      column: column.name,
      change: 'added',
      class: column.nullable ? 'additive' : 'lossy',
      to: requires,
    })
  }
  return changes
}

/**
 * Whether a change can lose what is there.
 *
 * @example changes.filter(isRisky)
 */
export function isRisky(change: SchemaChange): boolean {
  return change.class === 'lossy' || change.class === 'destructive'
}

/**
 * A change of schema in words.
 *
 * @example changeInWords({ column: 'id', change: 'retyped', class: 'widening', from: 'INTEGER', to: 'BIGINT' }) // 'id INTEGER -> BIGINT (widening)'
 */
export function changeInWords({ column, change, class: kind, from, to }: SchemaChange): string {
  if (change === 'added') return `${column} added as ${to} (${kind})`
  if (change === 'removed') return `${column} ${from} removed (${kind})`
  if (change === 'renamed') return `${column} removed and ${to} added, perhaps a rename (${kind})`
  return `${column} ${from} -> ${to} (${kind})`
}

function compareColumn(before: PlanColumn, after: PlanColumn): SchemaChange[] {
  const changes: SchemaChange[] = []
  const kind = classify(before.type, after.type)
  if (kind !== 'same')
    changes.push({ column: before.name, change: 'retyped', class: kind, from: before.type, to: after.type })
  if (before.nullable !== after.nullable)
    changes.push({
      column: before.name,
      change: 'nullability',
      class: after.nullable ? 'widening' : 'lossy',
      from: before.nullable ? 'NULL' : 'NOT NULL',
      to: after.nullable ? 'NULL' : 'NOT NULL',
    })
  return changes
}

function missingFrom(columns: readonly PlanColumn[], others: readonly PlanColumn[]): readonly PlanColumn[] {
  const names = new Set(others.map(({ name }) => name))
  return columns.filter(({ name }) => !names.has(name))
}

/** The place of each column that the other schema lacks: how many common columns come before it. */
function slots(columns: readonly PlanColumn[], others: readonly PlanColumn[]): ReadonlyMap<string, number> {
  const names = new Set(others.map(({ name }) => name))
  const places = new Map<string, number>()
  let common = 0
  for (const { name } of columns) {
    if (names.has(name)) common++
    else places.set(name, common)
  }
  return places
}
