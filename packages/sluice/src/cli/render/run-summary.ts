/** The end of a run: at most twelve lines that account for every row and say where to look next, and what failed tasks have to show. Pure. */
import { projectIndex } from '../../definition/project-index.ts'
import type { Project } from '../../definition/types.ts'
import { agedOutText } from '../../query/reads.ts'
import type { ErrorSummary } from '../../run/ledger/events.ts'
import type { Channel } from '../terminal.ts'
import { equation, loadText, marks } from './run-line.ts'
import type { RunView, TaskView } from './run-state.ts'
import { count, cut, duration, firstLine, plural, visible, wrap } from './text.ts'

/**
 * The summary of a run that has finished.
 *
 * @example summaryLines(view, channel.paint, 100)
 */
export function summaryLines(view: RunView, paint: Channel['paint'], columns: number): readonly string[] {
  const { summary } = view
  if (summary === undefined) return []
  const [look, mark] = marks[summary.status]
  const { tasks } = summary
  const lines = [
    `${paint(look, mark)} ${paint('bold', `Run ${view.id ?? ''} ${summary.status}`)} in ${duration(summary.durationMs)}${whyFailed(view)}`,
    field(
      'Tasks',
      `${count(tasks.succeeded)} succeeded, ${count(tasks.failed)} failed, ${count(tasks.skipped)} skipped, ${count(tasks.unchanged)} unchanged`,
    ),
    field('Rows', equation(summary.rows)),
  ]
  for (const [name, what] of [
    ['Refused', 'file'],
    ['Waits', 'table'],
  ] as const) {
    const refused = view.refused.filter((one) => one.what === what)
    if (refused.length > 0) lines.push(field(name, refusedText(refused)))
  }
  for (const aged of summary.agedOut?.slice(0, 2) ?? []) lines.push(field('Aged out', visible(agedOutText(aged))))
  if ((summary.agedOut?.length ?? 0) > 2)
    lines.push(field('Aged out', `and of ${plural(summary.agedOut!.length - 2, 'table')} more`))
  if (summary.error !== undefined)
    lines.push(field('Ended by', `${summary.error.code} ${visible(firstLine(summary.error.message))}`))
  const loads = view.tasks.filter(isLoaded)
  for (const task of loads.slice(0, 3))
    lines.push(field('Loaded', `${visible(task.table)}  ${loadText(task.finished!.load!)}`))
  if (loads.length > 3) lines.push(field('Loaded', `and ${plural(loads.length - 3, 'table')} more`))
  const failed = view.tasks.filter((task) => task.status === 'failed')
  for (const task of failed.slice(0, 2)) lines.push(field('Failed', failureText(task)), ...failureDetails(task))
  lines.push(
    ...fixOf(failed[0]?.finished?.error ?? view.refused.find(({ report }) => report === undefined)?.error, columns),
  )
  if (failed.length > 2)
    lines.push(field('Failed', `and ${plural(failed.length - 2, 'task')} more; see: sluice runs show`))
  const waiting = firstWaiting(view)
  if (waiting !== undefined)
    lines.push(field('Waiting', `${visible(waiting.table)}  ${visible(waiting.finished?.reason ?? '')}`))
  if (failed.length === 0 && summary.warnings > 0) lines.push(field('Warnings', count(summary.warnings)))
  const slow = slowest(view.tasks)
  if (slow !== undefined && failed.length === 0)
    lines.push(field('Slowest', `${visible(slow.table)}  ${duration(slow.finished!.durationMs)}`))
  return lines.map((line) => cutPainted(line, columns))
}

/**
 * What to do after a run; one command.
 *
 * @example nextAfterRun(view, project.definition) // 'sluice quarantine raw.sales'
 */
export function nextAfterRun(view: RunView, project: Project): string {
  if (view.summary?.status === 'cancelled') return 'sluice run  (goes on where it stopped)'
  const failed = view.tasks.find((task) => task.status === 'failed' && task.finished?.error?.name !== 'Run.NoVersion')
  if (failed?.finished?.error !== undefined) return `sluice explain ${failed.finished.error.code}, then  sluice retry`
  if (failed !== undefined) return 'sluice retry'
  // A table without a version has none because its only file was refused: the file is what wants mending.
  const report = view.refused.find((file) => file.report !== undefined)?.report
  if (report !== undefined) return `read ${visible(report)}, fix the file, deliver it again, then  sluice run`
  if (view.tasks.some((task) => task.status === 'failed')) return 'sluice retry'
  if (view.refused[0]?.what === 'table') return 'sluice cdc status'
  if (view.refused[0] !== undefined) return `sluice explain ${view.refused[0].error.code}`
  const approval = firstWaiting(view)
  if (approval !== undefined) return `sluice plan, then  sluice run --approve ${visible(approval.table)}`
  const quarantined = view.tasks.find((task) => (task.finished?.accounting?.quarantined ?? 0) > 0)
  if (quarantined !== undefined) return `sluice quarantine ${visible(quarantined.table)}`
  const load = view.tasks.find(isLoaded)
  if (load !== undefined) return readTarget(load.table, project)
  return 'sluice catalog'
}

/** A few rows of a target; of one on a server by the server's own client, or, where that is not known here, of the table that it was loaded from. */
function readTarget(target: string, project: Project): string {
  const { warehouse, connections } = project.config
  if (warehouse.kind === 'duckdb') return `sluice query "SELECT * FROM warehouse.${visible(target)} LIMIT 10"`
  const { host, port, user, database } = connections[warehouse.connection] ?? {}
  const words = [host, String(port ?? 5432), user, database, `${warehouse.schema}.${target}`]
  const [at, on, as, of, name] = words.flatMap((word) => (typeof word === 'string' && isPlain(word) ? [word] : []))
  if (name !== undefined) return `psql -h ${at} -p ${on} -U ${as} -d ${of} -c "SELECT * FROM ${name} LIMIT 10"`
  const from = projectIndex(project).load(target)?.load.from
  return from === undefined ? 'sluice catalog' : `sluice query "SELECT * FROM ${visible(from)} LIMIT 10"`
}

/** Whether a word means the same to a shell and, as a name, to PostgreSQL. */
const isPlain = (word: string): boolean => /^[a-z0-9_][a-z0-9_.-]*$/.test(word)

/** A load that was found to be done already has figures too, but they are of another run. */
function isLoaded(task: TaskView): boolean {
  return task.status === 'succeeded' && task.finished?.load !== undefined
}

/** The table whose change of schema needs an approval; those made from it wait with it. */
function firstWaiting(view: RunView): TaskView | undefined {
  return view.tasks.find(
    ({ status, finished }) => status === 'skipped' && finished?.reason?.includes('can lose data') === true,
  )
}

function field(name: string, text: string): string {
  return `  ${name.padEnd(9)} ${text}`
}

/** A run in which every task succeeded can still have failed: a file that was refused is not where it should be, and a table that waits is not up to date. */
function whyFailed({ summary, refused }: RunView): string {
  const onlyThese = summary?.status === 'failed' && summary.tasks.failed === 0 && refused.length > 0
  if (!onlyThese) return ''
  const [files, tables] = (['file', 'table'] as const).map((what) => refused.filter((one) => one.what === what).length)
  const told = [
    ...(files === 0 ? [] : [`${plural(files!, 'file')} refused`]),
    ...(tables === 0 ? [] : [tables === 1 ? '1 table waits' : `${count(tables!)} tables wait`]),
  ]
  return `: ${told.join(', ')}, all else is done`
}

/** The first of some, and how many there are. */
function refusedText(refused: RunView['refused']): string {
  const [first] = refused
  const report = first?.report === undefined ? '' : ` (report: ${visible(first.report)})`
  const more = refused.length > 1 ? `, and ${count(refused.length - 1)} more` : ''
  return `${plural(refused.length, first?.what ?? 'file')}: ${visible(first?.input ?? '')}${report}${more}`
}

function failureText(task: TaskView): string {
  const error = task.finished?.error
  return `${visible(task.table)}  ${error === undefined ? visible(task.finished?.reason ?? '') : `${error.code} ${visible(firstLine(error.message))}`}`
}

/** What an error shows under its sentence, such as the table of a contract's differences. */
function failureDetails(task: TaskView): readonly string[] {
  const [, ...details] = task.finished?.error?.message.split('\n') ?? []
  return details.map((line) => `    ${visible(line)}`)
}

/** What the first error says is to be done: in whole, for a command that is cut cannot be typed. */
function fixOf(error: ErrorSummary | undefined, columns: number): readonly string[] {
  if (error?.hint === undefined) return []
  return wrap(visible(error.hint), Math.max(40, columns) - 12).map((line, at) => field(at === 0 ? 'Fix' : '', line))
}

function slowest(tasks: readonly TaskView[]): TaskView | undefined {
  const ran = tasks.filter((task) => task.status === 'succeeded' && task.finished !== undefined)
  return ran.length < 2 ? undefined : ran.reduce((a, b) => (b.finished!.durationMs > a.finished!.durationMs ? b : a))
}

/** Only the first line is coloured, and it is short. */
function cutPainted(line: string, columns: number): string {
  return line.includes('\u001b') ? line : cut(line, Math.max(40, columns))
}
