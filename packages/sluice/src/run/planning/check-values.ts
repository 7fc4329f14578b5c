/** The values that a check compares its column with, held against the column's type: a bound that is rounded on its way judges by another bound. */
import type { Check } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { PlanColumn } from '../../plan/types.ts'
import { parseType } from '../../sql/types/parse.ts'

/** Why a check cannot run. */
export interface Misfit {
  readonly detail: string
  /** What of the check is wrong, as it is written. */
  readonly token?: string
  readonly suggestion?: string
}

/**
 * Why a value of a check is none of its column's type; undefined where all are.
 *
 * @example await valueMisfit(session, columns, { kind: 'range', column: 'price', min: '0.0004' })
 * // { detail: 'min 0.0004 has more digits after the point than DECIMAL(12,3)', token: '0.0004' }
 */
export async function valueMisfit(
  session: Session,
  columns: readonly PlanColumn[],
  check: Check,
): Promise<Misfit | undefined> {
  if (!('column' in check)) return undefined
  const own = columns.find(({ name }) => name === check.column)?.type ?? ''
  if (check.kind === 'freshness' && !['text', 'time'].includes(kindOfType(own)))
    return { detail: `"${check.column}" is ${own}, and no instant` }
  if (check.kind !== 'range' && check.kind !== 'sum' && check.kind !== 'oneOf') return undefined
  const type = check.kind === 'sum' ? sumType(own) : own
  for (const [name, value] of valuesOf(check)) {
    const why = await whyNot(session, type, value, check.kind === 'oneOf')
    if (why !== undefined) return { detail: `${name} ${why}`, ...(typeof value === 'string' ? { token: value } : {}) }
  }
  if (check.kind === 'oneOf' || check.min === undefined || check.max === undefined) return undefined
  const [row] = await session.all<{ crossed: boolean | null }>(
    `SELECT TRY_CAST($1 AS ${type}) > TRY_CAST($2 AS ${type}) AS crossed`,
    [String(check.min), String(check.max)],
  )
  return row?.crossed === true
    ? {
        detail: `its min ${check.min} is above its max ${check.max}, so that no value can pass`,
        token: String(check.max),
      }
    : undefined
}

function valuesOf(check: Extract<Check, { kind: 'range' | 'sum' | 'oneOf' }>): readonly [string, string | number][] {
  if (check.kind === 'oneOf') return check.values.map((value) => ['its value', value])
  const { min, max } = check
  return [
    ...(min === undefined ? [] : [['its min', min] as [string, string | number]]),
    ...(max === undefined ? [] : [['its max', max] as [string, string | number]]),
  ]
}

/** Integers add up to 128 bits, decimals to 38 digits; what has no sum is refused where the check is tried. */
function sumType(type: string): string {
  const scale = scaleOf(type)
  if (scale === undefined) return type
  return scale === 0 ? 'HUGEINT' : `DECIMAL(38,${scale})`
}

/** Digits after the point of an exact number; undefined of any other type. */
function scaleOf(type: string): number | undefined {
  const parsed = parseType(type)
  return parsed.kind === 'exact' ? parsed.scale : undefined
}

async function whyNot(
  session: Session,
  type: string,
  value: string | number,
  isMember: boolean,
): Promise<string | undefined> {
  const scale = scaleOf(type)
  const text = String(value)
  if (scale !== undefined) {
    const digits = /^[-+]?\d+(?:\.(\d*?)0*)?$/.exec(text)
    if (digits === null && typeof value === 'string') return `"${text}" is no number`
    if (digits === null) return `${text} is compared exactly only as a text: '${exactText(value as number)}'`
    if ((digits[1] ?? '').length > scale) return `${text} has more digits after the point than ${type}`
  }
  if (typeof value === 'number' && ['text', 'time', 'uuid'].includes(kindOfType(type)))
    return `${text} is a number, and its column is ${type}: write it as a text, '…'`
  // A number beyond the type bounds nothing, and is no mistake.
  if (typeof value === 'number' && (!isMember || scale === undefined)) return undefined
  if (type === 'DATE' && text.length > 10 && !/[(]/.test(text)) return `"${text}" is no ${type}`
  const [row] = await session.all<{ held: boolean }>(`SELECT TRY_CAST($1 AS ${type}) IS NOT NULL AS held`, [text])
  return row?.held === true ? undefined : `"${text}" is no ${type}`
}

/**
 * What values of a type are compared as. Two that are not of one kind are equal to nothing, or fail where a text is no such value.
 *
 * @example kindOfType('DECIMAL(12,3)') // 'number'
 */
export function kindOfType(type: string): string {
  const { kind } = parseType(type)
  if (kind === 'exact' || kind === 'float') return 'number'
  if (kind === 'date' || kind === 'timestamp' || /^TIMESTAMP/.test(type)) return 'time'
  return kind === 'text' || /^ENUM/.test(type) ? 'text' : type.toLowerCase()
}

function exactText(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(20).replace(/0+$/, '')
}
