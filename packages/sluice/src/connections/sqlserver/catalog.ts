/** The server's catalog procedures (`sp_sproc_columns` and others), called as every procedure is. */
import type { CallParameter, Cell } from '../connection.ts'
import { callProcedure } from './call.ts'
import type { OpenConnection } from './connect.ts'

/** A row by its columns' names, in lower case. */
export type CatalogRow = ReadonlyMap<string, Cell>

/**
 * The rows of a catalog procedure's first result set.
 *
 * @example await catalogRows(open, 'sp_sproc_columns', { procedure_name: patternOf('usp_x') }, signal, 60_000)
 * @throws what {@link callProcedure} throws
 */
export async function catalogRows(
  open: OpenConnection,
  procedure: string,
  values: Readonly<Record<string, string>>,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<readonly CatalogRow[]> {
  const parameters = Object.entries(values).map(([name, value]): CallParameter => ({ name, type: 'text', value }))
  const rows: CatalogRow[] = []
  let names: readonly string[] = []
  await callProcedure(
    open,
    { procedure, parameters, output: [], timeoutMs },
    {
      columns(set, columns) {
        if (set === 1) names = columns.map(({ name }) => name.toLowerCase())
        return set === 1
      },
      rows(_set, cells, count) {
        for (let i = 0; i < count; i++) rows.push(new Map(names.map((name, c) => [name, cells[c]?.[i] ?? null])))
      },
      message() {},
    },
    signal,
  )
  return rows
}

/** A name as these procedures take it, in a LIKE: `_` and `%` match more than themselves, and `[_]` is not known to every server, so {@link isNamed} sifts. */
export const patternOf = (name: string): string => name.replaceAll('[', '_')

/** A procedure's name without its number: `usp_x;1`. */
export const withoutNumber = (name: Cell | undefined): string => (name ?? '').replace(/;\d+$/, '')

/** Whether a row is of this procedure, and of this schema where one is given. */
export function isNamed(row: CatalogRow, name: string, schema?: string): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
  const owner = row.get('procedure_owner') ?? 'dbo'
  return same(withoutNumber(row.get('procedure_name')), name) && (schema === undefined || same(owner, schema))
}
