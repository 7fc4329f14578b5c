/** Where a project keeps what it knows of its own work. */
import type { ProjectConfig } from './types.ts'

/** The folder of a project's own state, below its root. */
export const stateFolder = '.sluice'

/**
 * The folder of the environment that was chosen, below the project's root.
 *
 * @example stateBelow(project.config) // '.sluice'
 */
export function stateBelow({ environment }: Pick<ProjectConfig, 'environment'>): string {
  return environment?.state ?? stateFolder
}
