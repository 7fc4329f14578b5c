/** Builders of procedures as sources, and of the values that their parameters take. */
import type { ParameterInput, ParametersInput, ProcedureList, ProcedureOptions } from '../input.ts'
import type { ColumnType } from '../types.ts'

/** Procedures of a list, each of which may name its own columns alone, and nothing that Sluice does not know. */
type Listed<T extends readonly ProcedureOptions[]> = {
  readonly [n in keyof T]: ProcedureOptions<T[n]['columns'], ParametersOf<T[n]>> & {
    readonly [key in Exclude<keyof T[n], keyof ProcedureOptions>]: never
  }
}

type ParametersOf<T> = T extends { readonly parameters: infer P extends ParametersInput } ? P : Record<never, never>

/**
 * Stored procedures of one connection as sources: each run calls each of them, and its rows become a version of its table. The list may also lie in a
 * YAML or JSON file beside the pipeline.
 *
 * @example
 * pipeline('erp', {
 *   sources: {
 *     ...procedures('erp', [
 *       { procedure: 'dbo.usp_customers', columns: { customer_id: 'integer', name: 'text' }, key: 'customer_id' },
 *       {
 *         procedure: 'dbo.usp_sales',
 *         parameters: { since: windowFrom(), until: windowTo() },
 *         columns: { sale_id: 'bigint', amount: 'decimal(18,4)', changed_at: 'timestamp' },
 *         key: 'sale_id',
 *         window: { start: '2024-01-01' },
 *       },
 *     ]),
 *     ...procedures('old_erp', 'procedures.yaml'),
 *   },
 * })
 */
export function procedures<const T extends readonly ProcedureOptions[]>(
  connection: string,
  list: string | (T & Listed<T>),
): { readonly [list: symbol]: ProcedureList } {
  return { [Symbol(connection)]: { kind: 'procedures', connection, list } }
}

/**
 * A constant of a declared type. Text keeps every digit of a number that JavaScript would round.
 *
 * @example parameter('12345678901234.5678', 'decimal(18,4)')
 */
export function parameter<T extends ColumnType>(
  value: string | number | boolean | null,
  type: T,
): { readonly value: string | number | boolean | null; readonly type: T } {
  return { value, type }
}

/**
 * The day on which the run started, in a zone.
 *
 * @example runDate({ zone: 'Europe/Istanbul' })
 */
export function runDate(options: { readonly zone?: string } = {}): Extract<ParameterInput, { $runDate: unknown }> {
  return { $runDate: options }
}

/**
 * A parameter of the pipeline, which each run gives a value.
 *
 * @example runParameter('year') // pipeline('erp', { parameters: { year: 'integer' }, … }), and: sluice run -p year=2026
 */
export function runParameter(name: string): { readonly $parameter: string } {
  return { $parameter: name }
}

/**
 * The lower bound of the source's window; rows at it belong to it.
 *
 * @example windowFrom() // parameters: { since: windowFrom(), until: windowTo() }
 */
export function windowFrom(): { readonly $window: 'from' } {
  return { $window: 'from' }
}

/**
 * The upper bound of the source's window; rows at it belong to the next.
 *
 * @example windowTo() // parameters: { since: windowFrom(), until: windowTo() }
 */
export function windowTo(): { readonly $window: 'to' } {
  return { $window: 'to' }
}

/**
 * One call for each distinct value of a column of another table, which is filled before. `as` keeps the value in a column of that name, `type` is what
 * it is bound as.
 *
 * @example each('raw.regions', 'region_id', { as: 'region_id' }) // parameters: { region: each(…) }
 */
export function each<const Options extends { readonly as?: string; readonly type?: ColumnType }>(
  table: string,
  column: string,
  options?: Options,
): { readonly $each: { readonly table: string; readonly column: string } & Options } {
  return { $each: { table, column, ...(options as Options) } }
}
