/** Foreign keys between tables of a warehouse: which loads come first, and which must not delete. Pure. */

/** A foreign key, as the warehouse has it. */
export interface ForeignKey {
  readonly name: string
  /** The table that has it, and the one that it names: schema and name, joined by a point. */
  readonly table: string
  readonly references: string
  /** What becomes of its rows where a row that they name is deleted: they `stay`, which forbids it, or follow. */
  readonly onDelete: 'stay' | 'CASCADE' | 'SET NULL' | 'SET DEFAULT'
}

/**
 * Of each target the others that it names.
 *
 * @param placeOf Schema and name of a target, joined by a point.
 * @example referencesAmong(keys, ['fact', 'dim'], (target) => `main.${target}`) // { fact: ['dim'] }
 */
export function referencesAmong(
  keys: readonly ForeignKey[],
  targets: readonly string[],
  placeOf: (target: string) => string,
): { readonly [target: string]: readonly string[] } {
  const names = new Map(targets.map((target) => [placeOf(target), target]))
  const found: Record<string, string[]> = {}
  for (const { table, references } of keys) {
    const [from, to] = [names.get(table), names.get(references)]
    if (from === undefined || to === undefined || from === to) continue
    found[from] = [...new Set([...(found[from] ?? []), to])].sort()
  }
  return found
}

/**
 * The foreign keys by which a DELETE in a table reaches rows of others.
 *
 * @example reachingFrom(keys, 'main.dim') // [{ name: 'fact_dim', table: 'main.fact', onDelete: 'CASCADE', … }]
 */
export function reachingFrom(keys: readonly ForeignKey[], place: string): readonly ForeignKey[] {
  return keys.filter(
    ({ table, references, onDelete }) => references === place && table !== place && onDelete !== 'stay',
  )
}
