/** Which pipelines a run works on, and so whose leases it takes. */
import { projectIndex } from '../definition/project-index.ts'
import type { ProjectContext } from './context.ts'

/** @example allPipelines(context) // ['retail', 'finance'] */
export function allPipelines({ project }: Pick<ProjectContext, 'project'>): readonly string[] {
  return project.pipelines.map(({ name }) => name)
}

/** The pipelines that make a table or load a target; all of them for a table that none makes any more. @example pipelinesOf(context, 'raw.sales') */
export function pipelinesOf(context: Pick<ProjectContext, 'project'>, table: string): readonly string[] {
  const index = projectIndex(context.project)
  const own = [index.source(table), index.model(table), index.load(table)].flatMap(
    (found) => found?.pipeline.name ?? [],
  )
  return own.length > 0 ? own : allPipelines(context)
}
