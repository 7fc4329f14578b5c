/** What zod found wrong, told as problems: where, what was there, what is allowed, and what was probably meant. */
import type { z } from 'zod'
import { type Problem, problem } from '../../base/errors.ts'
import { foreignOption } from '../procedures/connections.ts'
import { noPlaces, type Path, type Places } from './places.ts'
import { isReference } from './references.ts'
import { suggest } from './suggest.ts'

type Issue = z.core.$ZodIssue

/**
 * Checks a value by a schema; every problem at once.
 *
 * @example const problems = problemsOf(pipelineSchema, raw, places, 'The pipeline')
 */
export function problemsOf(schema: z.ZodType, raw: unknown, places: Places, whole: string): Problem[] {
  return findingsOf(schema, raw, places, whole).map(({ problem }) => problem())
}

/**
 * The paths of everything that a schema refuses: without what is there, it would not.
 *
 * @example wrongPaths(pipelineSchema, { name: 'retail', sorces: {} }) // [['sorces']]
 */
export function wrongPaths(schema: z.ZodType, raw: unknown): readonly Path[] {
  return findingsOf(schema, raw, noPlaces(''), '').map(({ path }) => path)
}

/** A problem, and what has to go so that it goes. */
interface Finding {
  /** Told only where it is asked for: finding its place and what was meant takes longer than finding it. */
  readonly problem: () => Problem
  readonly path: Path
}

function findingsOf(schema: z.ZodType, raw: unknown, places: Places, whole: string): Finding[] {
  const result = schema.safeParse(raw, { reportInput: true })
  if (result.success) return []
  return result.error.issues.flatMap((issue) => tell(issue, [], raw, places, whole))
}

function tell(issue: Issue, above: Path, raw: unknown, places: Places, whole: string): Finding[] {
  const path = [...above, ...(issue.path as Path)]
  const value = valueAt(raw, path)
  const where = path.length === 0 ? whole : spell(path)
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(',').filter((key) => key !== '$schema')
    return issue.keys.map((key) => ({
      problem: () => unknownKey(key, known, path, where, places),
      path: [...path, key],
    }))
  }
  if (issue.code === 'invalid_union' && value !== undefined) {
    const branch = nearest(issue.errors, value)
    if (branch) return branch.flatMap((inner) => tell(inner, path, raw, places, whole))
  }
  if (issue.code === 'invalid_key') {
    const key = String(path.at(-1))
    const expected = issue.issues.map((inner) => spelled(expectation(inner))).join(', ')
    const params = { where: `The name "${key}" in ${spell(path.slice(0, -1)) || whole}`, expected, found: `"${key}"` }
    return [{ problem: () => problem('Definition.WrongValue', params, { at: places.at(path) }), path }]
  }
  const wanted = expectation(issue)
  const expected = spelled(wanted)
  if (value === undefined && path.length > 0) {
    const key = String(path.at(-1))
    const owner = path.slice(0, -1)
    const params = { where: owner.length === 0 ? whole : spell(owner), key, expected }
    return [{ problem: () => problem('Definition.MissingKey', params, { at: places.at(owner) }), path: owner }]
  }
  if (typeof value === 'string' && issue.code === 'invalid_union' && wantsReference(issue)) {
    return [{ problem: () => problem('Definition.PlaintextSecret', { where }, { at: places.at(path) }), path }]
  }
  const told = (): Problem => {
    const token = typeof value === 'string' ? value : undefined
    const foreign = token === undefined ? undefined : foreignOption(path, token, places).problem
    if (foreign !== undefined) return foreign
    const meant =
      token === undefined
        ? undefined
        : suggest(token, path.at(-1) === 'zone' ? Intl.supportedValuesOf('timeZone') : wanted.values)
    const at = places.at(path, token)
    const context = meant === undefined ? { at } : { at, suggestion: meant }
    return problem('Definition.WrongValue', { where, expected, found: found(value) }, context)
  }
  return [{ problem: told, path }]
}

function unknownKey(key: string, known: readonly string[], path: Path, where: string, places: Places): Problem {
  const foreign = foreignOption(path, key, places)
  if (foreign.problem !== undefined) return foreign.problem
  const meant = foreign.suggestion ?? suggest(key, known)
  const at = places.at(path, key)
  return problem(
    'Definition.UnknownKey',
    { key, where, known },
    meant === undefined ? { at } : { at, suggestion: meant },
  )
}

/** The branch of a union that the value was meant for: the one whose outermost kind it has; among several objects, the one whose keys it has. */
function nearest(branches: readonly (readonly Issue[])[], value: unknown): readonly Issue[] | undefined {
  const fitting = branches.filter(
    (issues) => !issues.some((issue) => issue.path.length === 0 && isMismatch(issue, value)),
  )
  if (fitting.length === 1) return fitting[0]
  const known = fitting.filter(
    (issues) => !issues.some(({ path, code }) => path.length === 0 && code === 'unrecognized_keys'),
  )
  return known.length === 1 ? known[0] : undefined
}

function isMismatch(issue: Issue, value: unknown): boolean {
  if (issue.code === 'invalid_type') return true
  if (issue.code === 'invalid_value') return true
  if (issue.code === 'invalid_format') return true
  if (issue.code === 'invalid_union')
    return (
      issue.errors.length > 0 &&
      issue.errors.every((inner) => inner.some((i) => i.path.length === 0 && isMismatch(i, value)))
    )
  return false
}

/** Whether only a reference to a secret is allowed here. */
function wantsReference(issue: Issue): boolean {
  return (
    issue.code === 'invalid_union' &&
    issue.errors.length > 0 &&
    issue.errors.every((inner) => inner.some((i) => i.code === 'invalid_type' && i.expected === 'object'))
  )
}

const typeNames: { readonly [type: string]: string } = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
}

interface Expectation {
  readonly phrases: readonly string[]
  /** The allowed values, where they can be listed. */
  readonly values: readonly string[]
}

/** What a value must be, in words. */
function spelled({ phrases, values }: Expectation): string {
  const listed = values.length === 0 ? [] : [values.length === 1 ? `"${values[0]}"` : `one of ${values.join(', ')}`]
  return [...listed, ...phrases].join(', or ')
}

const phrase = (text: string): Expectation => ({ phrases: [text], values: [] })

function expectation(issue: Issue): Expectation {
  switch (issue.code) {
    case 'invalid_type':
      return phrase(typeNames[issue.expected] ?? `a ${issue.expected}`)
    case 'unrecognized_keys':
      return phrase(`{ ${issue.message.replaceAll(',', ', ')} }`)
    case 'invalid_value':
      return { phrases: [], values: issue.values.map(String) }
    case 'too_small':
      return phrase(size('at least', Number(issue.minimum), issue.origin, issue.inclusive !== false))
    case 'too_big':
      return phrase(size('at most', Number(issue.maximum), issue.origin, issue.inclusive !== false))
    case 'invalid_union': {
      if ('options' in issue && Array.isArray(issue.options)) return { phrases: [], values: issue.options.map(String) }
      const branches = issue.errors.flatMap((inner) => inner.filter((i) => i.path.length === 0).map(expectation))
      const distinct = (of: 'phrases' | 'values') => [...new Set(branches.flatMap((branch) => branch[of]))]
      return { phrases: distinct('phrases'), values: distinct('values') }
    }
    default:
      return phrase(issue.message)
  }
}

function size(bound: string, limit: number, origin: string, inclusive: boolean): string {
  if (origin === 'string') return limit === 1 ? 'a text that is not empty' : `${bound} ${limit} characters long`
  if (origin === 'array') return `a list of ${bound} ${limit}`
  return inclusive ? `${bound} ${limit}` : bound === 'at least' ? `above ${limit}` : `below ${limit}`
}

/** A value in a message; only its kind where it may be long or private. */
function found(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `"${value.slice(0, 60)}…"` : `"${value}"`
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return 'a list'
  if (isReference(value)) return 'a reference'
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty object' : 'an object'
  return value === undefined ? 'nothing' : `a ${typeof value}`
}

/** A path as it is read: `sources.sales.checks[0].column`. */
export function spell(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${step}`)).join('')
}

/** The value at a path; undefined where nothing is. */
export function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      value !== null && typeof value === 'object' && Object.hasOwn(value, step)
        ? (value as Record<string | number, unknown>)[step]
        : undefined,
    raw,
  )
}
