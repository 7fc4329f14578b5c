/** `sluice clean` */
import { agedOutText } from '../../query/reads.ts'
import type { Run } from '../command.ts'
import { bytes, plural, visible } from '../render/text.ts'

export const run: Run<'clean'> = async (context, input) => {
  const { terminal } = context
  const dryRun = input['dry-run']
  await using project = await context.open()
  const result = await project.clean({ dryRun })
  if (terminal.json) {
    await terminal.out.json({ dryRun, ...result })
    return 0
  }
  for (const file of result.removed) await terminal.out.line(visible(file))
  for (const aged of result.agedOut) await terminal.note(`${dryRun ? 'Would go: ' : ''}${visible(agedOutText(aged))}.`)
  await terminal.note(
    `${plural(result.removed.length, 'file')}, ${bytes(result.bytes)} ${dryRun ? 'would be' : 'were'} removed.`,
  )
  if (result.removed.length > 0)
    await terminal.note(
      'Data files of versions that were retired now follow after 24 hours, when no reader needs them.',
    )
  if (dryRun && result.removed.length > 0) await terminal.next('sluice clean')
  return 0
}
