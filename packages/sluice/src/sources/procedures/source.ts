/** Sources of stored procedures, on any server that `connections/` reaches. */
import { digest } from '../../base/json.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import type { SourceAdapter, TakeContext } from '../source.ts'
import type { ProceduresContext } from './context.ts'
import type { Attempt } from './extraction.ts'
import type { KeptCalls } from './kept.ts'

/**
 * Opens a source of a procedure; nothing is connected yet.
 *
 * @example
 * const source = procedureSource('raw.customers', definition, context)
 * const { candidate } = await source.take(await source.discover(new Map()), take)
 * @param table the table's full name
 */
export function procedureSource(table: string, source: ProcedureSource, context: ProceduresContext): SourceAdapter {
  let attempt: Attempt | undefined
  let kept: (KeptCalls & { readonly tables: readonly string[] }) | undefined
  return {
    traits: {
      operation: source.mode === 'append' ? 'append' : 'replace',
      identity: 'run',
      refused: 'put away',
      tell: ({ path }) => ({ what: 'file', input: path }),
    },
    async discover() {
      const { connection, procedure, resultSet } = source
      return [
        {
          id: digest({ connection, procedure, resultSet }),
          path: `${connection}: ${procedure}`,
          bytes: 0,
          decision: 'take',
        },
      ]
    },
    // What calls is imported when there is something to call.
    async take(_inputs, take) {
      const [{ takeCalls }, { openAttempt }] = await Promise.all([import('./take.ts'), import('./extraction.ts')])
      attempt = await openAttempt(table, source, context, take)
      const { frozen } = attempt
      kept = keptCalls(context, take)
      const taking = { source, context, take, frozen, attempt, ...(kept === undefined ? {} : { kept }) }
      return { candidate: await takeCalls(taking), refused: [] }
    },
    async settle(outcome) {
      await attempt?.settle(outcome)
      if (kept !== undefined && outcome.status !== 'failed') await forgetTaken(context, kept)
    },
    // A procedure is asked, and has nothing to put away.
    async acknowledge() {},
  }
}

/** Where the calls of this run are kept, if another table of it takes a set of them. */
function keptCalls(
  { sameCall, state, clock }: ProceduresContext,
  { run }: Pick<TakeContext, 'run'>,
): (KeptCalls & { readonly tables: readonly string[] }) | undefined {
  const taking = sameCall.filter(({ table }) => run.tables?.has(table))
  if (taking.length < 2) return undefined
  const tables = taking.map(({ table }) => table)
  const folder = `calls/${digest(tables).slice(0, 32)}`
  return { state, clock, folder, run: run.id, sets: new Set(taking.map(({ resultSet }) => resultSet)), tables }
}

/** Once each table has its rows, nobody asks for what is kept. */
async function forgetTaken(
  { lake }: ProceduresContext,
  kept: KeptCalls & { readonly tables: readonly string[] },
): Promise<void> {
  const logs = await Promise.all(kept.tables.map((table) => lake.extraction(table, kept.run)))
  if (!logs.every((log) => log?.status === 'committed' || log?.status === 'unchanged')) return
  const { forgetCalls } = await import('./kept.ts')
  await forgetCalls(kept)
}
