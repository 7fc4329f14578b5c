/** Sources of files: CSV, JSON Lines and Parquet. */
import type { FilesSource } from '../../definition/types.ts'
import type { SourceAdapter } from '../source.ts'
import { discoverFiles, type FilesContext } from './discover.ts'

export type { FilesContext, HashCache } from './discover.ts'

/**
 * Opens a source of files.
 *
 * @example
 * const source = filesSource('raw.sales', definition, { inbox: diskInbox(root), clock: systemClock })
 * const inputs = await source.discover(new Map())
 * const { candidate, refused } = await source.take(inputs, { session, scratch, progress, signal })
 * await source.acknowledge(inputs.filter(({ decision }) => decision !== 'refuse'), refused)
 * @param table the table's full name; for reports
 */
export function filesSource(table: string, source: FilesSource, context: FilesContext): SourceAdapter {
  return {
    traits: {
      operation: source.mode,
      identity: 'inputs',
      refused: 'put away',
      tell: ({ path }) => ({
        ...{ what: 'file', input: path },
        report: `${source.error}/${path.split('/').at(-1)}.report.json`,
      }),
    },
    discover: (known) => discoverFiles(source, context, known),
    // What reads files is imported when there is one to read.
    async take(inputs, take) {
      const [{ takeFiles }, { refusedAtDiscovery }, { readingFrom }] = await Promise.all([
        import('./take.ts'),
        import('./refused.ts'),
        import('./prepare.ts'),
      ])
      const inbox = readingFrom(context.inbox)
      try {
        const { candidate, refused } = await takeFiles(source, { ...context, inbox }, inputs, take)
        const atOnce = inputs.filter(({ decision }) => decision === 'refuse').map(refusedAtDiscovery)
        return { candidate, refused: [...atOnce, ...refused] }
      } finally {
        await inbox[Symbol.asyncDispose]()
      }
    },
    async acknowledge(taken, refused) {
      const { acknowledgeFiles } = await import('./acknowledge.ts')
      await acknowledgeFiles(table, source, context, taken, refused)
    },
  }
}
