/** Parameters of runs: what a pipeline declares, and the values that a run gives them. Values are kept as text, digit for digit. */
import { z } from 'zod'
import { type Problem, problem } from '../base/errors.ts'
import type { Misfit } from './problems/consistency.ts'
import { suggest } from './problems/suggest.ts'
import type { ColumnType, Pipeline, PipelineParameter, Project } from './types.ts'

/** Values as they come from a command line or a program, by `<name>` or `<pipeline>.<name>`. */
export interface GivenParameters {
  readonly [name: string]: string | number | boolean | null
}

/** The values of a run, by pipeline and parameter; one that has none is not in it. */
export interface ParameterValues {
  readonly [pipeline: string]: { readonly [parameter: string]: string }
}

/** A parameter without a value. */
export interface MissingParameter {
  readonly pipeline: string
  readonly parameter: string
  readonly type: ColumnType
}

const between = (least: bigint, most: bigint) => (text: string) => BigInt(text) >= least && BigInt(text) <= most
const whole = (bits: bigint, expected: string): z.ZodType<string> =>
  z
    .string()
    .regex(/^-?\d{1,19}$/, { error: expected, abort: true })
    .refine(between(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n), expected)
    .transform((text) => String(BigInt(text)))
/** What `toISOString` does not give back is no day of the calendar. */
const isDay = (day: string): boolean => {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}
const day = 'a date such as 2026-02-01'
const moment = 'a date and time such as 2026-02-01 08:30:00'

/** The types that a parameter may have, beside decimals. */
const schemas: { readonly [type: string]: z.ZodType<string> } = {
  text: z
    .string()
    .max(10_000, 'a text of at most 10,000 characters')
    .refine((text) => !text.includes('\0'), 'a text without NUL'),
  integer: whole(32n, 'a whole number of 32 bits'),
  bigint: whole(64n, 'a whole number of 64 bits'),
  float: z.string().regex(/^-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$/, 'a number such as 0.5'),
  boolean: z.enum(['true', 'false'], 'true or false'),
  date: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d$/, { error: day, abort: true })
    .refine(isDay, day),
  timestamp: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$/, { error: moment, abort: true })
    .refine((text) => isDay(text.slice(0, 10)), moment)
    .transform((text) => text.replace('T', ' ')),
}

/**
 * Whether the default of a parameter is of its type.
 *
 * @example parameterMisfits({ type: 'date', default: 'today' }).length // 1
 */
export function parameterMisfits({ type, default: value }: PipelineParameter): readonly Misfit[] {
  const read = value === undefined ? undefined : parameterText(value, type)
  return read !== undefined && 'expected' in read ? [{ key: 'default', expected: read.expected }] : []
}

/** @example isParameterType('date') // true */
export function isParameterType(type: string): boolean {
  return Object.hasOwn(schemas, type) || decimal.test(type)
}

const decimal = /^decimal\((\d+),(\d+)\)$/

function schemaOf(type: ColumnType): z.ZodType<string> {
  const [, precision, scale] = decimal.exec(type) ?? []
  if (precision === undefined) return schemas[type]!
  const digits = Number(precision) - Number(scale)
  const fraction = Number(scale) === 0 ? '' : `(\\.\\d{1,${scale}})?`
  const expected = `a number of at most ${digits} digits before the point and ${scale} after it`
  return z.string().regex(new RegExp(`^-?(?=\\d)0*\\d{0,${digits}}${fraction}$`), expected)
}

/**
 * A value as text of its type, or what it must be.
 *
 * @example parameterText('2026-02-01', 'date') // { text: '2026-02-01' }
 */
export function parameterText(
  value: string | number | boolean | null,
  type: ColumnType,
): { readonly text: string } | { readonly expected: string } {
  const result = schemaOf(type).safeParse(value === null ? undefined : String(value))
  if (result.success) return { text: result.data }
  const issue = result.error.issues[0]!
  return { expected: value === null ? 'a value' : issue.message }
}

/**
 * What a run gives the parameters of a project: the values with defaults filled in, everything that is wrong with what was given, and what has no
 * value.
 *
 * @example parameterValues(project, { since: '2026-02-01' }).values // { retail: { since: '2026-02-01' } }
 */
export function parameterValues(
  { pipelines }: Project,
  given: GivenParameters,
): {
  readonly values: ParameterValues
  readonly problems: readonly Problem[]
  readonly missing: readonly MissingParameter[]
} {
  const values: Record<string, Record<string, string>> = {}
  const problems: Problem[] = []
  const missing: MissingParameter[] = []
  const known = pipelines.flatMap(declaredNames)
  for (const name of Object.keys(given)) {
    if (known.some((one) => one.name === name || one.full === name)) continue
    const names = [...new Set(known.map((one) => one.name))].sort()
    const meant = suggest(name, [...names, ...known.map(({ full }) => full)])
    const context = meant === undefined ? {} : { suggestion: meant }
    problems.push(problem('Run.UnknownParameter', { parameter: name, known: names }, context))
  }
  for (const { pipeline, name, full, type, fallback } of known) {
    const key = [full, name].find((one) => Object.hasOwn(given, one))
    const value = key === undefined ? fallback : given[key]
    if (value === undefined) {
      missing.push({ pipeline, parameter: name, type })
      continue
    }
    const read = parameterText(value, type)
    if ('text' in read) values[pipeline] = { ...values[pipeline], [name]: read.text }
    else {
      const found = value === null ? 'nothing' : `"${String(value).slice(0, 60)}"`
      problems.push(problem('Run.WrongParameter', { parameter: key ?? full, expected: read.expected, found }))
    }
  }
  return { values, problems, missing }
}

function declaredNames({ name: pipeline, parameters = {} }: Pipeline) {
  return Object.entries(parameters).map(([name, { type, default: fallback }]) => ({
    ...{ pipeline, name, type, fallback },
    full: `${pipeline}.${name}`,
  }))
}
