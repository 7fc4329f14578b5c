/** Relations of tests of warehouses: a SELECT stands for the files, so that a test says its rows, and what fails or never ends. */
import type { Engine } from '../../src/engines/engine.ts'
import type { Relation } from '../../src/lake/relation.ts'

/** A relation of these rows, for sessions of {@link readingSelects}. */
export function selectOf(sql: string): Relation {
  return { fields: [], files: [], sql } as Relation
}

/** What stands after FROM for a relation that {@link selectOf} made. */
export function fromSelect(relation: Relation): string | undefined {
  return 'sql' in relation ? `(${relation.sql})` : undefined
}

/** The engine, with sessions that read relations of {@link selectOf}, too. */
export function readingSelects(engine: Engine): Engine {
  return {
    ...engine,
    async open(options) {
      const session = await engine.open(options)
      const from = session.from.bind(session)
      return Object.assign(session, { from: async (of: Relation) => fromSelect(of) ?? (await from(of)) })
    },
  }
}
