/** Every task that a project declares, before anything is known of what is there. */
import { type Location, type Problem, problem } from '../base/errors.ts'
import { lookupsOf } from '../definition/cdc/cdc.ts'
import { declaredChecks, eachValues } from '../definition/columns.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { callKey } from '../definition/procedures/rules.ts'
import type { Check, Load, Model, Pipeline, Source, TableOptions } from '../definition/types.ts'
import { loadDefinition, modelDefinition, sourceDefinition } from './definition.ts'
import type { PlanInput, PlanTask, TaskKind } from './types.ts'

/** The layer of loads: after all others. */
export const WAREHOUSE_LAYER = 'warehouse'

/** Seconds before a task is stopped, where nothing else is declared. */
const DEFAULT_TIMEOUT_SECONDS = 3600

/** Seconds that a log of changes has to copy its tables. */
const FIRST_COPY_TIMEOUT_SECONDS = 86_400

/** A task as far as the definition alone decides it. */
export interface DeclaredTask
  extends Pick<PlanTask, 'id' | 'pipeline' | 'layer' | 'table' | 'definition' | 'columns' | 'lineage'> {
  readonly kind: TaskKind
  /** The tables that it reads, and those that its checks compare it with; sorted, each once. */
  readonly reads: readonly string[]
  readonly timeoutSeconds: number
  readonly warnings: readonly string[]
  /** Where it was declared. */
  readonly at: Location
  /** Files: where they are looked for. */
  readonly pattern?: string
  /** The loads of dimensions that it looks up keys in: they come first, and what they load is there before. */
  readonly after: readonly string[]
  /** Procedures and streams: what every run asks a server for, and the tables whose values it is asked with. */
  readonly call?: {
    readonly text: string
    readonly needs: readonly string[]
    /** Of tasks that have the same one, the first calls for all: they go one after the other. */
    readonly shared?: string
  }
}

/**
 * The tasks of all pipelines: one for each source, model and load.
 *
 * @example declareTasks(input).map(({ id }) => id) // ['ingest:raw.sales', 'model:stage.sales', 'load:fact_sales']
 */
export function declareTasks(input: PlanInput): readonly DeclaredTask[] {
  return input.project.pipelines.flatMap((pipeline) => [
    ...Object.keys(pipeline.sources).map((name) => ingestTask(input, pipeline, name)),
    ...Object.keys(pipeline.models).map((table) => modelTask(input, pipeline, table)),
    ...Object.keys(pipeline.loads).map((target) => loadTask(input, pipeline, target)),
  ])
}

function ingestTask(input: PlanInput, pipeline: Pipeline, name: string): DeclaredTask {
  const source = pipeline.sources[name]!
  const layer = pipeline.layers[0]!
  const table = `${layer}.${name}`
  const options = pipeline.tables[table] ?? {}
  const needs = source.kind === 'procedure' ? eachValues(source).map((value) => value.table) : []
  return {
    id: `ingest:${table}`,
    kind: 'ingest',
    pipeline: pipeline.name,
    layer,
    table,
    reads: others(table, [...needs, ...checkedTables([...declaredChecks(source), ...(options.checks ?? [])])]),
    definition: sourceDefinition(source, options),
    columns: input.columns[table] ?? [],
    lineage: [],
    // A call may take its time, and a first copy a day.
    timeoutSeconds: options.timeoutSeconds ?? Math.max(timeoutOf(options), patience(source)),
    warnings: addsAgain(source),
    at: { file: pipeline.file },
    after: [],
    ...asked(name, source, needs),
  }
}

const patience = (source: Source): number =>
  source.kind === 'cdc' ? FIRST_COPY_TIMEOUT_SECONDS : source.kind === 'procedure' ? source.timeoutSeconds : 0

/** An append that nothing bounds and no key recognises takes the same rows at every run. */
const addsAgain = (source: Source): readonly string[] =>
  source.kind === 'procedure' && source.mode === 'append' && source.window === undefined && source.key === undefined
    ? [
        `every run adds all that ${source.procedure} returns, seen before or not: a window or a key would take each row once`,
      ]
    : []

/** Where files are looked for, or what a server is asked for. */
function asked(name: string, source: Source, needs: readonly string[]): Pick<DeclaredTask, 'pattern' | 'call'> {
  switch (source.kind) {
    case 'files':
      return { pattern: source.path }
    case 'procedure': {
      const values = needs.length > 0 ? ` for each value of ${needs.join(', ')}` : ''
      const text = `calls ${source.procedure} on ${source.connection}${values}`
      return { call: { text, needs, shared: callKey(source) } }
    }
    case 'cdc':
      return { call: { text: `changes of ${name} from the slot ${source.slot}`, needs } }
  }
}

function modelTask(input: PlanInput, pipeline: Pipeline, table: string): DeclaredTask {
  const model = pipeline.models[table]!
  const options = pipeline.tables[table] ?? {}
  const analysis = input.analysis[table]
  const checks = model.kind === 'changes' ? model.checks : (options.checks ?? [])
  return {
    id: `model:${table}`,
    kind: 'model',
    pipeline: pipeline.name,
    layer: table.slice(0, table.indexOf('.')),
    table,
    // A model that names its own table stays in, so that the cycle is found.
    reads: [...new Set([...readBy(model, analysis), ...others(table, checkedTables(checks))])].sort(),
    definition: modelDefinition(model, options),
    columns: input.columns[table] ?? [],
    lineage: analysis?.columns ?? [],
    timeoutSeconds: timeoutOf(options),
    warnings: (analysis?.nondeterministic ?? []).map(
      (name) => `${name} gives another result each time; the same inputs will not make the same version again`,
    ),
    at: { file: model.kind === 'sql' ? model.file : pipeline.file },
    after: [],
  }
}

function readBy(model: Model, analysis: PlanInput['analysis'][string] | undefined): readonly string[] {
  if (model.kind === 'changes') return [model.from]
  return model.kind === 'code' ? model.inputs : (analysis?.tables ?? [])
}

function loadTask(input: PlanInput, pipeline: Pipeline, target: string): DeclaredTask {
  const load = pipeline.loads[target] as Load
  const columns = input.columns[load.from] ?? []
  return {
    id: `load:${target}`,
    kind: 'load',
    pipeline: pipeline.name,
    layer: WAREHOUSE_LAYER,
    table: target,
    reads: [load.from],
    definition: loadDefinition(load, columns),
    columns,
    lineage: [],
    timeoutSeconds: load.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS,
    warnings: [],
    at: { file: pipeline.file },
    after: [...new Set(Object.values(lookupsOf(load)).map(({ dimension }) => `load:${dimension}`))].sort(),
  }
}

/**
 * The tables that are read and not made by anything. What a SQL model reads is the analysis's to report, with its line; what a load reads is
 * the definition's: here are the inputs of code models and the tables of checks.
 *
 * @example unknownTables(tasks, input)
 */
export function unknownTables(tasks: readonly DeclaredTask[], input: PlanInput): readonly Problem[] {
  // A name that is not known may be that of a table that could not be read.
  if (input.unread?.incomplete === true) return []
  const known = tasks
    .filter(({ kind }) => kind !== 'load')
    .map(({ table }) => table)
    .sort()
  const made = new Set(known)
  const files = new Map(input.project.pipelines.map(({ name, file }) => [name, file]))
  return tasks.flatMap((task) => {
    if (task.kind === 'load') return []
    const reported = task.kind === 'model' ? (input.analysis[task.table]?.problems ?? []) : []
    return task.reads
      .filter(
        (table) =>
          !made.has(table) &&
          !input.unread?.tables.has(table) &&
          !reported.some(({ message }) => message.includes(`"${table}"`)),
      )
      .map((table) => {
        const suggestion = suggest(table, known)
        const at = input.analysis[task.table]?.tables.includes(table) ? task.at : { file: files.get(task.pipeline)! }
        const context = { at, ...(suggestion === undefined ? {} : { suggestion }) }
        return problem('Definition.UnknownTable', { table, known }, context)
      })
  })
}

/** The other tables that checks name. */
function checkedTables(checks: readonly Check[]): readonly string[] {
  return checks.flatMap((check) =>
    check.kind === 'reference' ? [check.to] : check.kind === 'reconcile' ? [check.with] : [],
  )
}

const others = (table: string, tables: readonly string[]): readonly string[] =>
  [...new Set(tables)].filter((one) => one !== table).sort()

const timeoutOf = (options: TableOptions): number => options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
