/** The values that calls are made with: worked out once a run, then frozen. */
import { assert, sluiceError } from '../../base/errors.ts'
import type { CallParameter } from '../../connections/connection.ts'
import { eachValues } from '../../definition/columns.ts'
import type { ColumnType, EachValue, ParameterValue, ProcedureSource } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { Lake } from '../../lake/lake.ts'
import { relationOf } from '../../lake/relation.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import { localText, type Window } from './window.ts'

/** One call of a run, frozen. */
export interface FrozenCall {
  readonly parameters: readonly CallParameter[]
  /** The values that its rows keep in columns of their own. */
  readonly columns: { readonly [column: string]: string }
}

/** What decides a run's parameters. */
export interface ParameterContext {
  readonly session: Session
  readonly lake: Pick<Lake, 'current' | 'verify'>
  readonly startedAt: Date
  readonly window: Window | undefined
}

/** The values of one call as text, by parameter: what is frozen. */
export type BoundTexts = { readonly [parameter: string]: string | null }

/**
 * The values of a run's calls: of one, or of one for each value of another table.
 *
 * @throws Source.EachTable where another table has no version
 */
export async function freezeTexts(source: ProcedureSource, context: ParameterContext): Promise<readonly BoundTexts[]> {
  const [each] = eachValues(source)
  const values = each === undefined ? [null] : await distinctValues(source.procedure, each, context)
  const declared = Object.entries(source.parameters)
  return values.map((value) =>
    Object.fromEntries(declared.map(([name, parameter]) => [name, textOf(parameter, value, context)])),
  )
}

/**
 * A call with frozen values, and the types that the source says.
 *
 * @example frozenCall(source, { region: 'EU' }).parameters // [{ name: 'region', type: 'text', value: 'EU' }]
 */
export function frozenCall(source: ProcedureSource, texts: BoundTexts): FrozenCall {
  const declared = Object.entries(source.parameters)
  return {
    parameters: declared.map(([name, value]) => ({ name, type: typeOf(value), value: texts[name] ?? null })),
    columns: Object.fromEntries(
      declared.flatMap(([name, value]) => {
        const as = isObject(value) && '$each' in value ? value.$each.as : undefined
        return as === undefined ? [] : [[as, texts[name] as string]]
      }),
    ),
  }
}

async function distinctValues(
  procedure: string,
  { table, column, type }: EachValue,
  { lake, session }: ParameterContext,
): Promise<readonly string[]> {
  const record = await lake.current(table)
  if (record === undefined) throw sluiceError('Source.EachTable', { procedure, table, why: 'has no version yet' })
  if (!record.fields.some(({ name }) => name === column))
    throw sluiceError('Source.EachTable', { procedure, table, why: `has no column "${column}"` })
  await lake.verify(record)
  const name = quoteIdentifier(column)
  const rows = await session.all<{ value: string }>(
    `SELECT ${textSql(name, type)} AS value FROM (SELECT DISTINCT ${name} FROM ${await session.from(relationOf(record))} WHERE ${name} IS NOT NULL) ORDER BY ${name}`,
  )
  return rows.map(({ value }) => value)
}

const textSql = (name: string, type: ColumnType): string =>
  type === 'binary' ? `lower(hex(${name}))` : `${name}::VARCHAR`

type Declared = Extract<ParameterValue, object>

const isObject = (value: ParameterValue): value is Declared => typeof value === 'object' && value !== null

function textOf(value: ParameterValue, each: string | null, { startedAt, window }: ParameterContext): string | null {
  if (!isObject(value)) return value === null ? null : String(value)
  if ('$each' in value) return each
  if ('$runDate' in value) return localText(startedAt.getTime(), value.$runDate.zone).slice(0, 10)
  if ('$window' in value) return window?.[value.$window] ?? null
  assert(!('$parameter' in value), 'a run has put values in the place of parameters')
  return value.value === null ? null : String(value.value)
}

/**
 * The type that a value is bound as: the declared one, or the one that its kind says.
 *
 * @example typeOf(12.5) // 'decimal(3,1)'
 */
export function typeOf(value: ParameterValue): ColumnType {
  if (isObject(value)) {
    if ('$each' in value) return value.$each.type
    if ('$runDate' in value) return 'date'
    if ('$window' in value) return 'timestamp'
    assert(!('$parameter' in value), 'a run has put values in the place of parameters')
    return value.type
  }
  if (typeof value === 'number') return numberType(value)
  return typeof value === 'boolean' ? 'boolean' : 'text'
}

function numberType(value: number): ColumnType {
  if (Number.isSafeInteger(value)) return Math.abs(value) < 2 ** 31 ? 'integer' : 'bigint'
  const [, whole, fraction] = /^-?(\d+)\.(\d+)$/.exec(String(value)) ?? []
  if (whole === undefined || fraction === undefined) return 'float'
  return `decimal(${whole.length + fraction.length},${fraction.length})`
}
