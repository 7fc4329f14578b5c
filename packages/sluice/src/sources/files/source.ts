/** Sources of files: CSV, JSON Lines and Parquet. */
import { sluiceError } from '../../base/errors.ts'
import type { FilesSource } from '../../definition/types.ts'
import type { DiscoveredInput, RefusedInput, SourceAdapter } from '../source.ts'
import { acknowledgeFiles } from './acknowledge.ts'
import { discoverFiles, type FilesContext } from './discover.ts'
import { refusal } from './prepare.ts'
import { printable } from './printable.ts'
import { takeFiles } from './take.ts'

export type { FilesContext, HashCache } from './discover.ts'

/**
 * Opens a source of files.
 *
 * @example
 * const source = filesSource('raw.sales', definition, { root, clock: systemClock })
 * const inputs = await source.discover(new Map())
 * const { candidate, refused } = await source.take(inputs, { session, scratch, progress, signal })
 * await source.acknowledge(inputs.filter(({ decision }) => decision !== 'refuse'), refused)
 * @param table the table's full name; for reports
 */
export function filesSource(table: string, source: FilesSource, context: FilesContext): SourceAdapter {
  return {
    discover: (known) => discoverFiles(source, context, known),
    async take(inputs, take) {
      const { candidate, refused } = await takeFiles(source, context, inputs, take)
      const atOnce = inputs.filter(({ decision }) => decision === 'refuse').map(refusedAtDiscovery)
      return { candidate, refused: [...atOnce, ...refused] }
    },
    acknowledge: (taken, refused) => acknowledgeFiles(table, source, context, taken, refused),
  }
}

/** A file that discovery refused, with its error in words. */
export function refusedAtDiscovery(input: DiscoveredInput): RefusedInput {
  const file = printable(input.path)
  const reason = printable(input.reason ?? '')
  switch (input.error) {
    case 'Source.FileDate':
      return refusal(input, sluiceError('Source.FileDate', { file, pattern: reason }))
    case 'Source.DuplicateContent':
      return refusal(input, sluiceError('Source.DuplicateContent', { file, earlier: reason }))
    case 'Source.OlderDelivery':
      return refusal(input, sluiceError('Source.OlderDelivery', { file, newer: reason }))
    default:
      return refusal(input, sluiceError('Source.ChangedContent', { file }))
  }
}
