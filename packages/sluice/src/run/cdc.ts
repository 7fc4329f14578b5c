/** Logs of changes: their sources, over the project's connections. */
import { isSluiceError } from '../base/errors.ts'
import type { CdcSource } from '../definition/types.ts'
import { cdcSource } from '../sources/cdc/source.ts'
import type { SourceAdapter } from '../sources/source.ts'
import { connectionSettings } from './connections.ts'
import type { ProjectContext } from './context.ts'
import { maskedError } from './masked-connection.ts'
import { redactor } from './secrets.ts'

/** What logs need of a project. */
export type CdcProject = Pick<ProjectContext, 'root' | 'project' | 'clock' | 'lake' | 'state'>

/**
 * Opens a log of changes as a source; nothing is connected yet.
 *
 * @example const adapter = openChanges('raw.shop', source, context)
 */
export function openChanges(table: string, source: CdcSource, context: CdcProject): SourceAdapter {
  let redact = (text: string): string => text
  const { root, project, clock, lake, state } = context
  const adapter = cdcSource(table, source, {
    ...{ clock, lake, state },
    async settings() {
      const config = project.config.connections[source.connection]!
      const settings = await connectionSettings(root, source.connection, config)
      redact = redactor([settings.password])
      return settings
    },
  })
  return {
    ...adapter,
    take: (inputs, take) =>
      adapter.take(inputs, take).catch((error: unknown) => {
        throw isSluiceError(error) ? maskedError(error, redact) : error
      }),
  }
}
