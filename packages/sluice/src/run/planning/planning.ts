/** Gathers what the planner reads: committed tables, loaded targets, what sources have. The planner itself is pure. */

import { grownSource } from '../../definition/grown.ts'
import { inOrder } from '../../definition/problems/in-order.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Source } from '../../definition/types.ts'
import { rowsVersion } from '../../lake/growth.ts'
import { missingVersions, witnessesIn } from '../../lake/record/witnesses.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { rewritingOf } from '../../lake/rewrite.ts'
import { buildPlan } from '../../plan/build.ts'
import type { Plan, PlanColumn, PlanInput, PlanResult, PlanTask, TableState } from '../../plan/types.ts'
import { passedInWords } from '../../sources/passed.ts'
import type { PlanOptions } from '../api.ts'
import type { ProjectContext } from '../context.ts'
import { analyseProject, placesOf } from './analyse.ts'
import { foreseeRefusals } from './foresee.ts'
import { loadWitnesses } from './load-witnesses.ts'
import type { ProjectAnalysis } from './models.ts'
import { assertParameters, readParameters, withParameters } from './parameters.ts'
import { warehouseAnswer } from './target-states.ts'

/** A plan, with the problems of the analysis and of the planner together. */
export interface Planning extends PlanResult {
  readonly analysis: ProjectAnalysis
}

/**
 * Plans a project as it stands now.
 *
 * @param options with `anyParameters`, for who asks about the definition alone, parameters may be without a value
 * @example const { plan, problems } = await planProject(context)
 * @throws Run.ParametersInvalid with everything that is wrong with them
 */
export async function planProject(
  declared: ProjectContext,
  options: PlanOptions & { readonly anyParameters?: boolean } = {},
): Promise<Planning> {
  const context = await withGrownSources(declared)
  const given = await readParameters(context.project, options.parameters)
  const { project } = await withParameters(context, given.values)
  const reading = { root: context.root, ...context.reading }
  const analysis = await analyseProject(context.project, context.engine, context.cache, reading)
  const records = await newestRecords(context)
  const [{ targets, references }, intake] = await Promise.all([warehouseAnswer(context), intakes(context)])
  const input: PlanInput = {
    project,
    ...(Object.keys(given.values).length === 0 ? {} : { parameters: given.values }),
    analysis: analysis.analysis,
    columns: analysis.columns,
    ...(reading.unread === undefined ? {} : { unread: reading.unread }),
    tables: tableStates(context, records, analysis.columns),
    targets,
    references,
    intake,
    options: {
      select: options.select ?? [],
      exclude: options.exclude ?? [],
      approve: options.approve ?? [],
      force: options.force ?? false,
    },
  }
  const first = buildPlan(input)
  await assertNoneMissing(context, records, targets, first.plan)
  const places = first.problems.length === 0 ? undefined : await placesOf(reading)
  const { plan, problems } = places === undefined ? first : buildPlan({ ...input, places })
  if (options.anyParameters !== true) await assertParameters(given, plan, project)
  const all = inOrder([...analysis.problems, ...problems])
  // What the columns of a broken definition will be, nobody knows.
  const isSound = all.every(({ severity }) => severity !== 'error')
  return { plan: isSound ? await foreseeRefusals(context, plan) : plan, analysis, problems: all }
}

/** The project with the columns that files have brought to its tables, where a source takes them. */
async function withGrownSources(context: ProjectContext): Promise<ProjectContext> {
  const { project, lake } = context
  const growing = projectIndex(project).sources.filter(
    ({ source }) => source.kind === 'files' && source.drift === 'evolve',
  )
  if (growing.length === 0) return context
  const fields = new Map(
    await Promise.all(
      growing.map(async ({ table, source }) => [source, (await lake.current(table))?.fields ?? []] as const),
    ),
  )
  const pipelines = project.pipelines.map((pipeline) => ({
    ...pipeline,
    sources: Object.fromEntries(
      Object.entries(pipeline.sources).map(([name, source]) => [name, grownSource(source, fields.get(source) ?? [])]),
    ),
  }))
  return { ...context, project: { ...project, pipelines } }
}

async function newestRecords({ project, lake }: ProjectContext): Promise<readonly CommitRecord[]> {
  const { sources, models } = projectIndex(project)
  const names = [...sources, ...models].map(({ table }) => table)
  return (await Promise.all(names.map((name) => lake.current(name)))).filter((record) => record !== undefined)
}

/** @throws Lake.VersionMissing where a record or a load was made from a version that is not there */
async function assertNoneMissing(
  context: ProjectContext,
  records: readonly CommitRecord[],
  targets: PlanInput['targets'],
  { tasks }: Plan,
): Promise<void> {
  // A load of another definition may have been of another table.
  const same = tasks.filter(
    ({ kind, table, definition }) => kind === 'load' && targets[table]?.definition === definition,
  )
  const loaded = Object.fromEntries(same.map(({ table }) => [table, targets[table]!]))
  const loads = await loadWitnesses(context, loaded, records)
  const [missing] = missingVersions(records, [...witnessesIn(records), ...loads])
  if (missing !== undefined) throw missing.error
}

function tableStates(
  context: ProjectContext,
  records: readonly CommitRecord[],
  columns: PlanInput['columns'],
): Record<string, TableState> {
  const { sources } = projectIndex(context.project)
  const growing = new Set(sources.flatMap(({ table, source }) => (keepsFiles(source) ? [table] : [])))
  return Object.fromEntries(
    records.map((record) => [
      record.table,
      {
        version: rowsVersion(record),
        definition: record.definition,
        columns: record.fields.map(({ name, type, nullable }) => ({ name, type, nullable })),
        inputs: record.inputs.flatMap((input) =>
          input.kind === 'table' ? [{ table: input.table, version: input.version }] : [],
        ),
        rows: record.rows,
        ...(growing.has(record.table) ? rewriteOf(record, columns[record.table] ?? []) : {}),
      },
    ]),
  )
}

/** Whether a source's next version has files of the one before. A model's rows are all made again. */
const keepsFiles = (source: Source): boolean => source.kind === 'cdc' || source.mode !== 'replace'

function rewriteOf(record: CommitRecord, columns: readonly PlanColumn[]): Pick<TableState, 'rewriteBytes'> {
  const { files } = rewritingOf(record, columns)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return bytes === 0 ? {} : { rewriteBytes: bytes }
}

async function intakes(context: ProjectContext): Promise<PlanInput['intake']> {
  const found: Record<string, NonNullable<PlanTask['intake']>> = {}
  for (const { table, source } of projectIndex(context.project).sources) {
    // A plan reaches no server: what a procedure or a stream has is known when it is read.
    if (source.kind !== 'files') continue
    const adapter = await context.openSource(table, source)
    const inputs = await adapter.discover(await context.lake.knownInputs(table))
    const count = (decision: string): number => inputs.filter((input) => input.decision === decision).length
    const passed = passedInWords(inputs)
    found[table] = {
      take: count('take'),
      bytes: inputs.filter((input) => input.decision === 'take').reduce((sum, input) => sum + input.bytes, 0),
      known: count('known'),
      waiting: count('waiting'),
      refuse: count('refuse'),
      ...(passed.length === 0 ? {} : { passed }),
    }
  }
  return found
}
