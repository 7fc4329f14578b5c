/** What stays of a table. */
import { ownRetention } from '../../definition/defaults.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Retention } from '../../definition/types.ts'
import type { ProjectContext } from '../context.ts'

/** A table's own retention, else the lake's. @example retentionOf(context, 'raw.sales').quarantineDays */
export function retentionOf({ project }: Pick<ProjectContext, 'project'>, table: string): Retention {
  return ownRetention(projectIndex(project).options(table).retention, project.config.lake.retention)
}
