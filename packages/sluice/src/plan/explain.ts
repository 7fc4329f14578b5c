/** The plan in plain text: what would run, why, and what it would change. */
import { changeInWords } from './classify.ts'
import type { Plan, PlanTask, SchemaChange } from './types.ts'

/**
 * The plan as lines: for each layer its tasks with wave, action, reason and detail, changes of schema and warnings below them, and counts at the end.
 * With `verbose` also inputs, definitions and lineage.
 *
 * @example explainPlan(buildPlan(input)).join('\n')
 */
export function explainPlan({ plan }: { readonly plan: Plan }, options: { readonly verbose?: boolean } = {}): string[] {
  const rows = plan.tasks.map(cells)
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)))
  const line = (task: PlanTask): string =>
    `  ${cells(task)
      .map((cell, column) => (column === 4 ? cell.padStart(widths[4]!) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')}`.trimEnd()
  const layers = plan.layers.flatMap(({ name }) => [
    name,
    ...plan.tasks
      .filter(({ layer }) => layer === name)
      .flatMap((task) => [line(task), ...below(task, options.verbose ?? false).map((text) => `       ${text}`)]),
    '',
  ])
  return [...parameters(plan), ...layers, counts(plan)]
}

function parameters({ parameters: values = {} }: Plan): readonly string[] {
  const lines = Object.entries(values).flatMap(([pipeline, own]) =>
    Object.entries(own).map(([name, value]) => `  ${pipeline}.${name} = ${value}`),
  )
  return lines.length === 0 ? [] : ['parameters', ...lines, '']
}

function cells(task: PlanTask): readonly [string, string, string, string, string, string] {
  const amount = task.intake !== undefined && task.intake.take > 0 ? inBytes(task.intake.bytes) : rowsOf(task)
  return [`wave ${task.wave}`, task.table, task.action, task.reason, amount, task.detail]
}

const rowsOf = ({ rows }: PlanTask): string => (rows === undefined ? '' : `${rows.toLocaleString('en-US')} rows`)

function below(task: PlanTask, verbose: boolean): readonly string[] {
  const changed = task.schemaChanges.map((change) => `${sign(change)} ${changeInWords(change)}`)
  const { rewriteBytes: bytes } = task
  const rewrites = bytes === undefined ? [] : [`writes ${inBytes(bytes)} of older files again, in the new types`]
  const changes = [...changed, ...rewrites]
  const warnings = task.warnings.map((warning) => `warning: ${warning}`)
  if (!verbose) return [...changes, ...warnings]
  const inputs = task.inputs.map(({ table, version }) => `${table}@${version}`)
  return [
    ...changes,
    ...warnings,
    ...(inputs.length > 0 ? [`from ${inputs.join(', ')}`] : []),
    ...(task.current === undefined ? [] : [`now at version ${task.current}`]),
    ...task.lineage.map(({ column, from }) => `${column} <- ${from.length > 0 ? from.join(', ') : 'a constant'}`),
    `definition ${task.definition}`,
    `stopped after ${task.timeoutSeconds} s`,
  ]
}

const sign = ({ change }: SchemaChange): string => (change === 'added' ? '+' : change === 'removed' ? '-' : '~')

function counts({ tasks }: Plan): string {
  const run = tasks.filter(({ action }) => action === 'run').length
  const skipped = new Map<string, number>()
  for (const { action, reason } of tasks) if (action === 'skip') skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
  const why = [...skipped].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => `${count} ${reason}`)
  const tasksInAll = `${tasks.length} task${tasks.length === 1 ? '' : 's'}`
  return `${tasksInAll}: ${run} to run, ${tasks.length - run} to skip${why.length > 0 ? ` (${why.join(', ')})` : ''}`
}

/** Bytes in the largest unit that leaves a figure of at least 1. */
function inBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`
}
