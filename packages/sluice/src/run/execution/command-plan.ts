/** Commands that write are runs of one task: the same leases, the same outcome, the same entry in the ledger as a run of the project's tasks. */
import { digest } from '../../base/json.ts'
import { projectIndex } from '../../definition/project-index.ts'
import { WAREHOUSE_LAYER } from '../../plan/declare.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import type { ProjectContext } from '../context.ts'
import { pipelinesOf } from '../pipelines.ts'

/** What a command does, by reference. */
export type Command =
  | { readonly kind: 'rollback'; readonly table: string; readonly version: number }
  | { readonly kind: 'dismiss'; readonly table: string; readonly version?: number }
  | { readonly kind: 'resnapshot'; readonly table: string; readonly tables?: readonly string[] }
  | { readonly kind: 'accept'; readonly table: string; readonly captured?: string }
  | { readonly kind: 'accept-snapshot'; readonly table: string; readonly instant: string }

/** Seconds: a comparison reads whole tables of a server. */
const TIMEOUT_SECONDS = 86_400

/** @example commandText({ kind: 'rollback', table: 'raw.sales', version: 3 }) // 'rollback of raw.sales to version 3' */
export function commandText(command: Command): string {
  switch (command.kind) {
    case 'rollback':
      return `rollback of ${command.table} to version ${command.version}`
    case 'dismiss':
      return `dismissal of what ${command.table} refused${command.version === undefined ? '' : ` in version ${command.version}`}`
    case 'resnapshot':
      return `resnapshot of ${(command.tables ?? [command.table]).join(', ')}`
    case 'accept':
      return `accept ${command.captured ?? command.table}`
    case 'accept-snapshot':
      return `accept the snapshot of ${command.instant} for ${command.table}`
  }
}

const layerOf = ({ project }: Pick<ProjectContext, 'project'>, table: string): string =>
  projectIndex(project).load(table) === undefined ? table.slice(0, table.indexOf('.')) : WAREHOUSE_LAYER

/** The plan of a command: its one task. @example commandPlan(context, { kind: 'rollback', table: 'raw.sales', version: 3 }) */
export function commandPlan(context: Pick<ProjectContext, 'project'>, command: Command): Plan {
  const { kind, table } = command
  const definition = digest(command)
  const task: PlanTask = {
    ...{ id: `${kind}:${table}`, kind, table, layer: layerOf(context, table) },
    ...{ pipeline: pipelinesOf(context, table)[0]!, wave: 0, dependsOn: [], inputs: [] },
    ...{ action: 'run', reason: 'forced', detail: commandText(command), definition, command },
    ...{ columns: [], schemaChanges: [], lineage: [], warnings: [], timeoutSeconds: TIMEOUT_SECONDS },
  }
  return { format: 1, project: context.project.config.name, definition, layers: [], tasks: [task] }
}
