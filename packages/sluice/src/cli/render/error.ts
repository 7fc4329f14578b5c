/** How errors look: what, where, why, the fix, the next command, and where to read more. */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Location, Problem, SluiceError } from '../../base/errors.ts'
import type { Channel } from '../terminal.ts'
import { plural, visible, visibleLines, width } from './text.ts'

interface ErrorView {
  readonly channel: Pick<Channel, 'paint'>
  /** The project's folder: places are relative to it. */
  readonly root: string
  /** Where the stack was written. */
  readonly log?: string | undefined
}

/**
 * An error with all of its problems, for people.
 *
 * @example errorText(error, { channel: terminal.err, root })
 */
export function errorText(error: SluiceError, view: ErrorView): string {
  const { paint } = view.channel
  if (error.problems.length > 0)
    return `${problemsText(error.problems, view)}${paint('red', '✖')} ${visibleLines(error.message)}\n`
  const lines = [...block(error, 'error', view), '']
  if (error.exit === 70 && view.log !== undefined) lines.push(`  Log:  ${visible(view.log)}`)
  lines.push(`  More: sluice explain ${error.code}`, '')
  return lines.join('\n')
}

/**
 * All problems of a definition, by file, errors before warnings, and their count.
 *
 * @example problemsText(await project.check(), { channel: terminal.out, root })
 */
export function problemsText(problems: readonly Problem[], view: ErrorView): string {
  const files = groupByFile(problems)
  const lines: string[] = []
  for (const [, group] of files) {
    for (const severity of ['error', 'warning'] as const) {
      for (const problem of group.filter((p) => p.severity === severity))
        lines.push(...block(problem, severity, view), '')
    }
  }
  const codes = [...new Set(problems.map((p) => p.code))]
  if (codes.length > 0) lines.push(`  More: sluice explain ${codes.slice(0, 3).join(' | ')}`)
  lines.push(`  ${problemCount(problems)}`, '')
  return lines.join('\n')
}

/** @example problemCount(problems) // '2 errors, 1 warning in 2 files' */
export function problemCount(problems: readonly Problem[]): string {
  const of = (severity: Problem['severity']): number => problems.filter((p) => p.severity === severity).length
  const files = new Set(problems.flatMap((p) => (p.at === undefined ? [] : [p.at.file]))).size
  const counts = [plural(of('error'), 'error'), ...(of('warning') === 0 ? [] : [plural(of('warning'), 'warning')])]
  return `${counts.join(', ')}${files === 0 ? '' : ` in ${plural(files, 'file')}`}`
}

function fileOf(problem: Problem): string {
  return problem.at?.file ?? ''
}

function groupByFile(problems: readonly Problem[]): Map<string, Problem[]> {
  const groups = new Map<string, Problem[]>()
  for (const problem of problems) groups.set(fileOf(problem), [...(groups.get(fileOf(problem)) ?? []), problem])
  return groups
}

type Reported = Pick<Problem, 'code' | 'message'> & {
  readonly hint?: string | undefined
  readonly at?: Location | undefined
  readonly suggestion?: string | undefined
}

function block(error: Reported, severity: 'error' | 'warning', view: ErrorView): string[] {
  const { paint } = view.channel
  const [look, mark] = severity === 'error' ? (['red', '✖'] as const) : (['yellow', '!'] as const)
  const [first = '', ...rest] = visibleLines(error.message).split('\n')
  const lines = [`${paint(look, `${mark} ${error.code}`)}  ${paint('bold', first)}`, ...rest.map((line) => `  ${line}`)]
  if (error.at !== undefined) lines.push('', ...excerpt(error.at, view))
  if (error.suggestion !== undefined || error.hint !== undefined) lines.push('')
  if (error.suggestion !== undefined) lines.push(`  Did you mean "${visible(error.suggestion)}"?`)
  if (error.hint !== undefined) lines.push(`  Next: ${visibleLines(error.hint)}`)
  return lines
}

/** The place, the line before, the line itself and a mark under what is wrong. */
function excerpt(at: Location, { root, channel }: ErrorView): string[] {
  const place = [
    visible(at.file),
    ...(at.line === undefined ? [] : [at.line]),
    ...(at.line === undefined || at.column === undefined ? [] : [at.column]),
  ].join(':')
  const lines = [`  ${channel.paint('cyan', place)}`]
  const source = at.line === undefined ? undefined : sourceLines(root, at.file)
  if (at.line === undefined || source === undefined) return lines
  const gutter = String(at.line).length
  const show = (line: number): string => visibleLines(source[line - 1] ?? '').replaceAll('\t', '  ')
  if (at.line > 1 && source[at.line - 2] !== undefined)
    lines.push(`    ${String(at.line - 1).padStart(gutter)} │ ${show(at.line - 1)}`)
  if (source[at.line - 1] === undefined) return lines
  lines.push(`  ${channel.paint('red', '>')} ${at.line} │ ${show(at.line)}`)
  if (at.column !== undefined) {
    const before = visibleLines((source[at.line - 1] ?? '').slice(0, at.column - 1)).replaceAll('\t', '  ')
    const marks = channel.paint('red', '^'.repeat(Math.max(1, at.length ?? 1)))
    lines.push(`    ${' '.repeat(gutter)} │ ${' '.repeat(width(before))}${marks}`)
  }
  return lines
}

function sourceLines(root: string, file: string): readonly string[] | undefined {
  try {
    const path = resolve(root, file)
    return statSync(path).size > 4_000_000 ? undefined : readFileSync(path, 'utf8').split(/\r\n|\n|\r/)
  } catch {
    // The place alone is still worth more than nothing.
    return undefined
  }
}

/**
 * An error as JSON: `{"error":{…}}`.
 *
 * @example JSON.stringify(errorJson(error))
 */
export function errorJson(error: SluiceError): { readonly error: { readonly [key: string]: unknown } } {
  const { code, name, message, hint, at, suggestion, retryable, exit, problems } = error
  return {
    error: {
      code,
      name,
      message,
      hint,
      location: at,
      suggestion,
      retryable,
      exit,
      next: `sluice explain ${code}`,
      ...(problems.length === 0 ? {} : { problems }),
    },
  }
}
