/** Why discovery refused a file, in words. */
import { sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { DiscoveredInput, RefusedInput } from '../source.ts'
import { refusal } from './prepare.ts'

/**
 * A file that discovery refused, with its error.
 *
 * @example const refused = inputs.filter(({ decision }) => decision === 'refuse').map(refusedAtDiscovery)
 */
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
