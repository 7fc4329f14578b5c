/**
 * The one error class, over the registry of every error that Sluice can raise.
 *
 * An error's `name` is its permanent identity everywhere: in TypeScript, in the `Retry` and `Catch` of a state machine, in the
 * ledger, in the documentation. Match with {@link isSluiceError}, never with `instanceof`: names survive JSON and package copies.
 */
import { type ErrorEntry, type ErrorName, type ErrorParams, registry } from './registry.ts'

export type { ErrorName, ErrorParams } from './registry.ts'

/** A place in a file that the user wrote. Lines and columns count from 1. */
export interface Location {
  readonly file: string
  readonly line?: number
  readonly column?: number
  /** How many characters the problem spans on that line. */
  readonly length?: number
}

/** What may come with an error beside its parameters. */
export interface ErrorContext {
  readonly at?: Location
  /** What the user probably meant: `amount` for `amout`. */
  readonly suggestion?: string
  readonly cause?: unknown
  /** Several problems found at once; the error is then their sum. */
  readonly problems?: readonly Problem[]
}

/** One problem of a definition: data, not an exception, so that all of them can be reported together. */
export interface Problem {
  readonly name: ErrorName
  readonly code: string
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly hint?: string
  readonly at?: Location
  readonly suggestion?: string
}

/** What is thrown; made by {@link sluiceError} only. */
export class SluiceError extends Error {
  /** `SLU2104`: what `sluice explain` takes. */
  readonly code: string
  readonly params: Readonly<Record<string, unknown>>
  readonly retryable: boolean
  /** The process's exit code when this error ends a command. */
  readonly exit: number
  /** The next step, as text or a command. */
  readonly hint: string | undefined
  readonly at: Location | undefined
  readonly suggestion: string | undefined
  readonly problems: readonly Problem[]

  constructor(name: ErrorName, entry: ErrorEntry<never>, params: Record<string, unknown>, context: ErrorContext) {
    super(entry.message(params as never), context.cause === undefined ? undefined : { cause: context.cause })
    this.name = name
    this.code = entry.code
    this.params = params
    this.retryable = entry.retry === 'transient'
    this.exit = entry.exit
    this.hint = entry.hint?.(params as never)
    this.at = context.at
    this.suggestion = context.suggestion
    this.problems = context.problems ?? []
  }
}

/**
 * Makes an error of the registry.
 *
 * @example throw sluiceError('Lake.FileCorrupt', { file: 'part-0.parquet', expected: 'ab…', found: 'cd…' })
 */
export function sluiceError<N extends ErrorName>(
  name: N,
  params: ErrorParams<N>,
  context: ErrorContext = {},
): SluiceError {
  return new SluiceError(name, registry[name] as ErrorEntry<never>, params as Record<string, unknown>, context)
}

/**
 * Makes an error again out of what was kept of it.
 *
 * @example throw sluiceErrorOf(outcome.error)
 */
export function sluiceErrorOf(kept: {
  readonly name: string
  readonly message: string
  readonly hint?: string
}): SluiceError {
  const name = kept.name in registry ? (kept.name as ErrorName) : 'Internal'
  const { hint, message } = kept
  // Its own words: those of the entry need parameters, which are not kept.
  const { hint: _hint, ...entry } = registry[name] as ErrorEntry<never>
  const words = { ...entry, message: () => message, ...(hint === undefined ? {} : { hint: () => hint }) }
  return new SluiceError(name, words, {}, {})
}

/**
 * Makes a problem of the registry, to be collected with others.
 *
 * @example problems.push(problem('Definition.UnknownTable', { table: 'stage.slaes' }, { at, suggestion: 'stage.sales' }))
 */
export function problem<N extends ErrorName>(
  name: N,
  params: ErrorParams<N>,
  context: Pick<ErrorContext, 'at' | 'suggestion'> & { severity?: 'error' | 'warning' } = {},
): Problem {
  const entry = registry[name] as ErrorEntry<never>
  const hint = entry.hint?.(params as never)
  return {
    name,
    code: entry.code,
    severity: context.severity ?? 'error',
    message: entry.message(params as never),
    ...(hint === undefined ? {} : { hint }),
    ...(context.at === undefined ? {} : { at: context.at }),
    ...(context.suggestion === undefined ? {} : { suggestion: context.suggestion }),
  }
}

/** Whether `error` is the named error (or any of Sluice's, without a name). */
export function isSluiceError(error: unknown, name?: ErrorName): error is SluiceError {
  return (
    error instanceof Error &&
    'code' in error &&
    'retryable' in error &&
    (name === undefined ? error.name in registry : error.name === name)
  )
}

/**
 * A condition that only a bug of Sluice's can break; stays on in production.
 *
 * @example assert(record.version === parent + 1, 'a version follows its parent')
 */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw sluiceError('Internal', { why })
}
