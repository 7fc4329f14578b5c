/** Gathers what the planner reads: committed tables, loaded targets, what sources have. The planner itself is pure. */
import type { Problem } from '../../base/errors.ts'
import { rowsVersion } from '../../lake/growth.ts'
import { buildPlan } from '../../plan/build.ts'
import type { PlanInput, PlanResult, PlanTask, TableState } from '../../plan/types.ts'
import type { PlanOptions } from '../api.ts'
import type { ProjectContext } from '../context.ts'
import { analyseProject } from './analyse.ts'
import type { ProjectAnalysis } from './models.ts'
import { targetStates } from './target-states.ts'

/** A plan, with the problems of the analysis and of the planner together. */
export interface Planning extends PlanResult {
  readonly analysis: ProjectAnalysis
}

/**
 * Plans a project as it stands now.
 *
 * @example const { plan, problems } = await planProject(context)
 */
export async function planProject(context: ProjectContext, options: PlanOptions = {}): Promise<Planning> {
  const analysis = await analyseProject(context.project, context.engine, context.state)
  const [tables, targets, intake] = await Promise.all([tableStates(context), targetStates(context), intakes(context)])
  const input: PlanInput = {
    project: context.project,
    analysis: analysis.analysis,
    columns: analysis.columns,
    tables,
    targets,
    intake,
    options: {
      select: options.select ?? [],
      exclude: options.exclude ?? [],
      approve: options.approve ?? [],
      force: options.force ?? false,
    },
  }
  const { plan, problems } = buildPlan(input)
  return { plan, analysis, problems: unique([...analysis.problems, ...problems]) }
}

async function tableStates(context: ProjectContext): Promise<Record<string, TableState>> {
  const names = context.project.pipelines.flatMap((pipeline) => [
    ...Object.keys(pipeline.sources).map((name) => `${pipeline.layers[0]}.${name}`),
    ...Object.keys(pipeline.models),
  ])
  const records = await Promise.all(names.map((name) => context.lake.current(name)))
  return Object.fromEntries(
    records.flatMap((record) =>
      record === undefined
        ? []
        : [
            [
              record.table,
              {
                version: rowsVersion(record),
                definition: record.definition,
                columns: record.fields.map(({ name, type, nullable }) => ({ name, type, nullable })),
                inputs: record.inputs.flatMap((input) =>
                  input.kind === 'table' ? [{ table: input.table, version: input.version }] : [],
                ),
                rows: record.rows,
              },
            ],
          ],
    ),
  )
}

async function intakes(context: ProjectContext): Promise<PlanInput['intake']> {
  const found: Record<string, NonNullable<PlanTask['intake']>> = {}
  for (const pipeline of context.project.pipelines) {
    for (const [name, source] of Object.entries(pipeline.sources)) {
      const table = `${pipeline.layers[0]}.${name}`
      // A plan reaches no server: what a procedure or a stream has is known when it is read.
      if (source.kind !== 'files') continue
      const adapter = await context.openSource(table, source)
      const inputs = await adapter.discover(await context.lake.knownInputs(table))
      const count = (decision: string): number => inputs.filter((input) => input.decision === decision).length
      found[table] = {
        take: count('take'),
        bytes: inputs.filter((input) => input.decision === 'take').reduce((sum, input) => sum + input.bytes, 0),
        known: count('known'),
        waiting: count('waiting'),
        refuse: count('refuse'),
      }
    }
  }
  return found
}

function unique(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Set<string>()
  return problems.filter((one) => {
    const key = JSON.stringify([one.name, one.message, one.at])
    return seen.has(key) ? false : seen.add(key)
  })
}
