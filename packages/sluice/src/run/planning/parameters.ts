/** The parameters of a run, for who plans and executes it. A project without parameters pays nothing for them. */
import { type Problem, problem, sluiceError } from '../../base/errors.ts'
import type { GivenParameters, MissingParameter, ParameterValues } from '../../definition/parameters.ts'
import type { Project } from '../../definition/types.ts'
import type { Plan } from '../../plan/types.ts'

const declaring = (): Promise<typeof import('../../definition/parameters.ts')> =>
  import('../../definition/parameters.ts')
const binding = (): Promise<typeof import('../../plan/parameters.ts')> => import('../../plan/parameters.ts')

const declaresAny = ({ pipelines }: Project): boolean => pipelines.some(({ parameters }) => parameters !== undefined)

/** What a run was given, read. */
export interface ReadParameters {
  readonly values: ParameterValues
  readonly problems: readonly Problem[]
  readonly missing: readonly MissingParameter[]
}

/**
 * Reads what a run was given.
 *
 * @example const { values } = await readParameters(project, { since: '2026-02-01' })
 */
export async function readParameters(project: Project, given: GivenParameters = {}): Promise<ReadParameters> {
  if (!declaresAny(project) && Object.keys(given).length === 0) return { values: {}, problems: [], missing: [] }
  return (await declaring()).parameterValues(project, given)
}

/**
 * What a run works with, with its values in the project. Whoever executes a task gives the plan's.
 *
 * @example const bound = await withParameters(context, plan.parameters)
 */
export async function withParameters<C extends { readonly project: Project }>(
  context: C,
  values: ParameterValues | undefined,
): Promise<C> {
  if (!declaresAny(context.project)) return context
  return { ...context, project: (await binding()).bindParameters(context.project, values) }
}

/**
 * Refuses a plan whose parameters have anything wrong.
 *
 * @example await assertParameters(read, plan, project)
 * @throws Run.ParametersInvalid with everything that is wrong
 */
export async function assertParameters(
  { problems, missing }: ReadParameters,
  plan: Plan,
  project: Project,
): Promise<void> {
  const lacking = missing.length === 0 ? [] : (await binding()).needed(missing, plan, project)
  const all = [
    ...problems,
    ...lacking.map(({ pipeline, parameter, type }) =>
      problem('Run.MissingParameter', { parameter: `${pipeline}.${parameter}`, type }),
    ),
  ]
  if (all.length > 0) throw sluiceError('Run.ParametersInvalid', { count: all.length }, { problems: all })
}
