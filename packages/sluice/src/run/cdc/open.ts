/** Logs of changes: their sources, over the project's connections. */

import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { capturedLogs } from '../../definition/cdc/cdc.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { CdcContext } from '../../sources/cdc/context.ts'
import { cdcSource } from '../../sources/cdc/source.ts'
import type { SourceAdapter } from '../../sources/source.ts'
import { connectionSettings } from '../connections/connections.ts'
import { maskedError } from '../connections/masked-connection.ts'
import type { ProjectContext } from '../context.ts'
import { redactor } from '../definition/secrets.ts'

/** What logs need of a project. */
export type CdcProject = Pick<ProjectContext, 'root' | 'project' | 'clock' | 'lake' | 'state'>

/**
 * Works with a connection's settings; no error that leaves it has a password in it.
 *
 * @example await cdcSettings(context, source, (settings) => connectPostgres(settings, …))
 */
export async function cdcSettings<T>(
  { root, project }: Pick<CdcProject, 'root' | 'project'>,
  { connection }: CdcSource,
  work: (settings: ConnectionSettings) => Promise<T>,
): Promise<T> {
  const settings = await connectionSettings({ root, project }, connection, project.config.connections[connection]!)
  return work(settings).catch((error: unknown) => {
    throw maskedError(error, redactor([settings.password]))
  })
}

/** What a source of changes is given. @example cdcContext(context, source) */
export function cdcContext({ root, project, clock, lake, state }: CdcProject, source: CdcSource): CdcContext {
  const { connection } = source
  return {
    ...{ clock, lake, state },
    settings: () => connectionSettings({ root, project }, connection, project.config.connections[connection]!),
  }
}

/**
 * Opens a log of changes as a source; nothing is connected yet.
 *
 * @example const adapter = openChanges('raw.shop', source, context)
 */
export function openChanges(table: string, source: CdcSource, context: CdcProject): SourceAdapter {
  const adapter = cdcSource(table, source, cdcContext(context, source))
  return {
    ...adapter,
    take: (inputs, take) => cdcSettings(context, source, () => adapter.take(inputs, take)),
  }
}

/** The source of a log of changes. @example sourceOf(context, 'raw.shop').slot @throws Cli.UnknownName where the table is no log of changes */
export function sourceOf({ project }: Pick<ProjectContext, 'project'>, table: string): CdcSource {
  const logs = capturedLogs(project)
  const found = logs.find(({ log }) => log === table)
  if (found === undefined)
    throw sluiceError('Cli.UnknownName', { what: 'source of changes', name: table, known: logs.map(({ log }) => log) })
  return found.source
}
